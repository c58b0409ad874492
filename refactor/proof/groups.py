"""What a path of an image is to it: cache, build tool, documentation, and so on."""

from __future__ import annotations

import re
from collections.abc import Iterable

from refactor.proof.differences import Group
from refactor.proof.images import Image, Kind
from refactor.proof.paths import parent

_CACHE = re.compile(
    r"/var/(?:cache|tmp|lib/apt/lists)/|/tmp/|/etc/apk/cache/"
    r"|/var/log/(?:apt(?:/.*)?\Z|(?:alternatives|bootstrap|dpkg|fontconfig|lastlog|faillog|tallylog|[bw]tmp|"
    r"yum|dnf|hawkey|apk)[^/]*\Z)"
    r"|(?:/root|/home/[^/]+)/(?:\.cache|\.npm|\.yarn|\.m2|\.gradle|\.nuget|\.node-gyp|\.bundle/cache|"
    r"\.cargo/(?:registry|git)|\.composer/cache|\.local/share/(?:pnpm|NuGet)|\.gem|go/pkg/mod)(?:/|\Z)"
    r"|/root/\.wget-hsts\Z|/usr/local/share/\.cache/|/usr/local/cargo/(?:registry|git)/"
    r"|/go/pkg/mod/|/usr/local/bundle/cache/"
)
_ACCOUNT = re.compile(r"/etc/(?:passwd|group|shadow|gshadow|subuid|subgid)-?\Z")
_DOCUMENTATION = re.compile(
    r"/usr/(?:local/)?(?:share/(?:doc|doc-base|man|info|locale|gtk-doc|lintian|help|bug)|man)(?:/|\Z)"
)
_TOOL = re.compile(
    r"/usr/(?:local/)?include(?:/|\Z)|/usr/(?:lib|libexec)/gcc(?:-cross)?(?:/|\Z)"
    r"|/usr/lib/(?:[^/]+-linux-(?:gnu|musl)[^/]*/)?(?:[^/]+\.[ao]|pkgconfig(?:/.*)?|ldscripts/.*|"
    r"bfd-plugins(?:/.*)?|cmake/.*)\Z"
    r"|/usr/share/(?:aclocal|autoconf|automake|bison|cmake|dpkg|gcc|libtool|pkgconfig)(?:[-/]|\Z)"
    r"|/(?:usr/bin|etc/alternatives)/(?:[\w.]+-linux-(?:gnu|musl)[^-/]*-)?(?:cc|c\+\+|c89|c99|cpp|"
    r"gcc|g\+\+|gcov|gfortran|clang|ld|as|ar|nm|ranlib|strip|objdump|objcopy|make|cmake|ninja|"
    r"meson|autoconf|automake|libtool|bison|flex|m4|pkg-config|pkgconf|patch)(?:[-.\d][^/]*)?\Z"
    r"|/usr/local/(?:go|rustup|cargo)(?:/|\Z)|/opt/rust[^/]*/"
)
_MODULE = re.compile(r"/(?:site-packages|dist-packages|node_modules|gems|vendor/bundle)(?:/|\Z)")
_ENVIRONMENT = re.compile(r"/(?:bin|lib|lib64|include|share|pyvenv\.cfg)(?:/|\Z)")
_OWN_USR = re.compile(  # where people put what is theirs
    r"/usr/(?:src|app|share/nginx/html)(?:/|\Z)|/usr/local/(?:app|s?bin|src|tomcat/webapps)/."
)
_INTERPRETERS = re.compile(
    r"/usr/local/s?bin/(?:python|pip|idle|pydoc|2to3|wheel|node|npm|npx|yarn|corepack|ruby|gem|"
    r"bundle|bundler|irb|rake|rdoc|ri|erb|perl|php|docker-php|pecl|pear)[\w.-]*\Z"
)
_SYSTEM = re.compile(
    r"/(?:usr|s?bin|lib\w*|etc|boot|dev|proc|run|sys|media|mnt)(?:/|\Z)"
    r"|/var(?:/(?:backups|local|lock|log|mail|opt|run|spool|lib)?)?\Z|/var/(?:backups|log|mail|spool)/"
    r"|/var/lib/(?:apk|apt|dbus|dnf|dpkg|ghostscript|git|initramfs-tools|logrotate|misc|pam|polkit-1|"
    r"private|python|rpm|rpm-state|sgml-base|shells\.state|systemd|ucf|vim|xml-core|yum)(?:/|\Z)"
    r"|/(?:home|opt|root|srv|tmp)\Z|/root/\.(?:bashrc|profile)\Z|/\.dockerenv\Z"
)


class Groups:
    """The groups of the paths of some images, taken together."""

    def __init__(self, images: Iterable[Image]) -> None:
        self._images = tuple(images)
        self._tools = frozenset[str]().union(*(image.tools for image in self._images))
        self._modules = frozenset[str]().union(*(image.modules for image in self._images))
        self._environments = {
            parent(path)
            for image in self._images
            for path in image.tree
            if path.endswith("/pyvenv.cfg")
        }

    def of(self, path: str) -> Group:
        """Return what a path is."""
        if _ACCOUNT.match(path):
            return Group.ACCOUNT
        if _CACHE.match(path):
            return Group.CACHE
        if _DOCUMENTATION.match(path):
            return Group.DOCUMENTATION
        if self._is_module(path):
            return Group.MODULE
        if path in self._tools or _TOOL.match(path):
            return Group.TOOL
        if _OWN_USR.match(path) and not _INTERPRETERS.match(path):
            return Group.APPLICATION
        return Group.SYSTEM if _SYSTEM.match(path) else Group.APPLICATION

    def _is_module(self, path: str) -> bool:
        if _MODULE.search(path) or path in self._modules:
            return True
        for image in self._images:  # `npm install -g` links to what it installed
            node = image.tree.get(path)
            if node and node.kind is Kind.LINK and _MODULE.search("/" + node.target):
                return True
        above = path
        while self._environments and above:
            above = parent(above)
            if above in self._environments:
                return _ENVIRONMENT.match(path, len(above)) is not None
        return False
