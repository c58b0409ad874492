"""What dependency installs read and write: what is refused, and what is known."""
# ruff: noqa: E501  (the tables are read by rows)

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping

import pytest

from refactor.facts.installs import Install, Unknown, install, looks_like_install


class Files:
    """Files by their paths; `->` is a link, and a path with a slash at its end a closed folder."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self.files = {path.rstrip("/"): text for path, text in files.items()}
        self.closed = {path.rstrip("/") for path in files if path.endswith("/")}

    def kind(self, path: str) -> str:
        """Return `file`, `dir`, `link`, or an empty string."""
        if path in self.files:
            return "dir" if path in self.closed else "link" if self.files[path] == "->" else "file"
        return "dir" if any(self.below(path)) else ""

    def text(self, path: str) -> str | None:
        """Return the text of a file."""
        return self.files.get(path) if self.kind(path) == "file" else None

    def below(self, folder: str) -> Iterator[str]:
        """Yield the files in a folder."""
        prefix = folder.rstrip("/") + "/"
        return (path for path in self.files if path.startswith(prefix))


def look(
    command: str, files: Mapping[str, str], cwd: str = "/app", env: Mapping[str, str] | None = None
) -> Install | Unknown | None:
    """Return what is found of a command; its words are split as a shell would, but for `$`."""
    words = shlex.split(command, posix="$" not in command)
    argv = [word for word in words if word]
    count = next((n for n, word in enumerate(argv) if "=" not in word.partition("/")[0]), 0)
    tree = Files({path if path[0] == "/" else f"/app/{path}": t for path, t in files.items()})
    return install(tuple(argv[count:]), tuple(argv[:count]), cwd, env or {}, tree)


def reads(command: str, files: Mapping[str, str], env: Mapping[str, str] | None = None) -> str:
    """Return the paths that a command reads, relative to /app, in one line."""
    found = look(command, files, env=env)
    assert isinstance(found, Install), found
    return " ".join(sorted(path.removeprefix("/app/") for path in found.reads))


PACKAGE = {"package.json": "{}", "package-lock.json": "{}"}
PROJECT = '[project]\nname = "a"\nversion = "1"\n'
BUILD = '[build-system]\nrequires = ["hatchling"]\n'


def package(**entries: object) -> dict[str, str]:
    """Return a package.json with entries, and a lock file."""
    return {"package.json": json.dumps(entries), "package-lock.json": "{}"}


REFUSED = [
    # pip
    ("pip install -r requirements.txt", {}, "C401", "/app/requirements.txt"),
    ("pip install -r a.txt", {"a.txt": "-r b.txt\n"}, "C401", "/app/b.txt"),
    ("pip install -r a.txt", {"a.txt": "-c b.txt\n"}, "C401", "/app/b.txt"),
    ("pip install -r a.txt", {"a.txt": "->"}, "C401", "/app/a.txt"),
    ("pip install -r r/a.txt", {"r": "->"}, "C401", "/app/r"),
    ("pip install .", {"setup.py": ""}, "C410", "/app"),
    ("pip install .[dev]", {"setup.py": ""}, "C410", "/app"),
    ("pip install --no-deps -e .", {"setup.py": ""}, "C410", "/app"),
    ("pip install ./lib", {"lib/setup.py": ""}, "C410", "/app/lib"),
    ("pip install -r a.txt", {"a.txt": "-e .\n"}, "C410", "/app"),
    ("pip install -r a.txt", {"a.txt": "six\n.\n"}, "C410", "/app"),
    ("pip install -r a.txt", {"a.txt": "--editable=./lib[x]", "lib/setup.py": ""}, "C410", "lib"),
    ("pip install -r a.txt", {"a.txt": "x @ file:///app/lib", "lib/a": ""}, "C410", "/app/lib"),
    ("pip install -r a.txt", {"a.txt": "file:lib#egg=x\n", "lib/a": ""}, "C410", "/app/lib"),
    ("pip install -r a.txt", {"a.txt": "./x.whl\n"}, "C401", "/app/x.whl"),
    ("pip install x-1-py3-none-any.whl", {}, "C401", "x-1-py3"),
    ("pip install *.whl", {"x.whl": ""}, "C411", "*.whl"),
    ("pip install -r requirements*.txt", {"requirements.txt": ""}, "C411", "requirements*.txt"),
    ("pip install -r $FILE", {"a.txt": ""}, "C411", "$FILE"),
    ("pip install $OPTIONS -r a.txt", {"a.txt": ""}, "C411", "$OPTIONS"),
    ("pip install --what -r a.txt", {"a.txt": ""}, "C411", "--what"),
    ("pip install --group dev", {"pyproject.toml": ""}, "C411", "--group"),
    ("pip install -r a.txt", {"a.txt": "six\n${NAME}\n"}, "C411", "${NAME}"),
    ("pip install -r a.txt", {"a.txt": "six --what\n"}, "C411", "--what"),
    ("PIP_CONSTRAINT=c.txt pip install six", {}, "C401", "/app/c.txt"),
    ("pip install flask*", {"flask-1.whl": ""}, "C411", "flask*"),
    ("bin/pip install six", {"bin/pip": ""}, "C403", "/app/bin/pip"),
    ("python -m pip install six", {"typing.py": ""}, "C403", "typing.py"),
    ("python -m pip install six", {"pip/__init__.py": ""}, "C403", "pip"),
    ("pip install -r a.txt", {"a.txt": "six", "pip.conf": ""}, "", ""),
    ("pip install six", {"/etc/pip.conf": "[global]\nconstraint = /app/c.txt\n"}, "C411", "pip.conf"),
    ("pip install -f wheels six", {"wheels/a.whl": "", "wheels/b": "->"}, "C401", "wheels/b"),
    ("pip install -i ./simple six", {"simple/a": "->"}, "C401", "simple/a"),
    ("PIP_INDEX_URL=file:///app/s pip install six", {"s/a": "->"}, "C401", "/app/s/a"),
    # pipenv
    ("pipenv install --system", {}, "C401", "/app/Pipfile"),
    ("pipenv sync", {"Pipfile": '[packages]\na = {path = "."}'}, "C410", "Pipfile"),
    ("pipenv sync", {"Pipfile": '[packages]\na = {path = "./lib", editable = true}'}, "C410", ""),
    ("pipenv sync", {"Pipfile": "", "Pipfile.lock": '{"default": {"a": {"path": "."}}}'}, "C410", ""),
    ("pipenv install requests", {"Pipfile": ""}, "C411", "requests"),
    ("pipenv sync", {"Pipfile": "", ".env": "PIP_CONSTRAINT=c.txt\n"}, "C411", ".env"),
    ("pipenv sync", {"Pipfile": "", ".venv/": ""}, "C402", ".venv"),
    # poetry
    ("poetry install --no-root", {}, "C401", "/app/pyproject.toml"),
    ("poetry install", {"pyproject.toml": PROJECT}, "C410", "pyproject.toml"),
    ("poetry install --only main", {"pyproject.toml": PROJECT}, "C410", "pyproject.toml"),
    ("poetry install --only-root", {"pyproject.toml": PROJECT}, "C410", "pyproject.toml"),
    ("poetry install --no-root",
     {"pyproject.toml": '[tool.poetry.dependencies]\na = {path = "../a"}'}, "C410", "folder"),
    ("poetry install --no-root",
     {"pyproject.toml": '[tool.poetry.group.dev.dependencies]\na = [{path = "a"}]'}, "C410", ""),
    ("poetry install --no-root",
     {"pyproject.toml": '[project]\nname = "a"\ndependencies = ["a @ file:///app/a"]'}, "C410", ""),
    ("poetry install --no-root", {"pyproject.toml": "[project]\nlicense = {file = 'L'}"}, "C401", "/L"),
    ("poetry install --no-root -C sub", {"pyproject.toml": PROJECT}, "C411", "-C"),
    ("poetry install --no-root", {"pyproject.toml": PROJECT, ".venv/": ""}, "C402", ".venv"),
    ("poetry install --no-root", {"pyproject.toml": "name = "}, "C401", "no TOML"),
    ("poetry install --no-root", {"pyproject.toml": '[tool.poetry-plugin]\n' + PROJECT}, "C403", ""),
    ("poetry install --no-root",
     {"pyproject.toml": '[[tool.poetry.source]]\nname = "a"\nurl = "file:///app/s"'}, "C410", "index"),
    # uv
    ("uv sync", {"pyproject.toml": PROJECT + BUILD}, "C410", "pyproject.toml"),
    ("uv sync", {"pyproject.toml": PROJECT + "[tool.uv]\npackage = true"}, "C410", ""),
    ("uv sync --no-install-project",
     {"pyproject.toml": '[project]\nname = "a"\ndynamic = ["dependencies"]\n', "uv.lock": ""},
     "C410", ""),
    ("uv sync", {"pyproject.toml": PROJECT + '[tool.uv.sources]\na = {path = "a"}'}, "C410", "/app/a"),
    ("uv sync --frozen",
     {"pyproject.toml": PROJECT + '[tool.uv.workspace]\nmembers = ["a"]', "a/pyproject.toml": ""},
     "C405", "/app/a"),
    ("uv sync --frozen --no-install-workspace",
     {"pyproject.toml": PROJECT + '[tool.uv.workspace]\nmembers = ["a"]'}, "C405", "/app/a"),
    ("uv sync", {"pyproject.toml": PROJECT, "/pyproject.toml": "[tool.uv.workspace]"}, "C405", ""),
    ("uv sync --project x", {"pyproject.toml": PROJECT}, "C411", "--project"),
    ("UV_WORKING_DIR=x uv sync", {"pyproject.toml": PROJECT}, "C411", "UV_WORKING_DIR"),
    ("uv pip install --system .", {"pyproject.toml": PROJECT}, "C410", "/app"),
    ("uv pip install -r setup.py", {"setup.py": ""}, "C410", "setup.py"),
    ("uv pip install -r pyproject.toml", {"pyproject.toml": BUILD}, "C410", "pyproject.toml"),
    ("uv pip install -r a.txt", {"a.txt": "", ".venv/": ""}, "C402", ".venv"),
    ("uv add six", {"pyproject.toml": PROJECT}, "C404", "uv add"),
    # pdm
    ("pdm sync --prod", {"pyproject.toml": PROJECT}, "C410", "pyproject.toml"),
    ("pdm sync --no-self",
     {"pyproject.toml": PROJECT + "[tool.pdm.scripts]\npost_install = 'x'"}, "C403", "scripts"),
    ("pdm sync --no-self",
     {"pyproject.toml": "[tool.pdm.dev-dependencies]\na = ['-e file:///${PROJECT_ROOT}/a']"},
     "C410", "folder"),
    # npm
    ("npm ci", {"package.json": "{}"}, "C401", "package-lock.json"),
    ("npm install", {}, "C401", "/app/package.json"),
    ("npm install", {"package.json": "{"}, "C401", "no JSON"),
    ("npm install", {"package.json": '{"scripts": []}'}, "C401", ""),
    ("npm install", {**PACKAGE, "node_modules/": ""}, "C402", "node_modules"),
    ("npm install $NAME", PACKAGE, "C411", "$NAME"),
    ("npm install ./lib", {**PACKAGE, "lib/package.json": "{}"}, "C410", "./lib"),
    ("npm install x.tgz", PACKAGE, "C410", "x.tgz"),
    ("npm install -g .", PACKAGE, "C410", "."),
    ("npm install --global", PACKAGE, "C410", "/app"),
    ("npm ci --userconfig $FILE", PACKAGE, "C411", "$FILE"),
    ("npm ci --what", PACKAGE, "C411", "--what"),
    ("NPM_CONFIG_GLOBALCONFIG=x npm ci", PACKAGE, "C411", "NPM_CONFIG_GLOBALCONFIG"),
    ("NODE_OPTIONS=--require=./a.js npm ci", PACKAGE, "C403", "NODE_OPTIONS"),
    ("npm ci", {**PACKAGE, ".npmrc": "script-shell=./sh"}, "C411", "script-shell"),
    ("npm ci", {**PACKAGE, "binding.gyp": ""}, "C404", "binding.gyp"),
    ("npm ci", package(scripts={"postinstall": "npm run build", "build": "tsc"}), "C404", "tsc"),
    ("npm ci", package(scripts={"prepare": "vite build"}), "C404", "vite"),
    ("npm ci", package(scripts={"postinstall": "node scripts/x.js"}), "C403", "scripts/x.js"),
    ("npm ci", {**package(scripts={"postinstall": "node x.js"}), "x.js": "require('fs')"}, "C403", "fs"),
    ("npm ci", {**package(scripts={"install": "node x"}), "x.js": "require('./y')"}, "C403", "/app/y"),
    ("npm ci", {**package(scripts={"install": "node x.js"}), "x.js": "import('./' + y)"}, "C403", ""),
    ("npm ci", package(scripts={"postinstall": "sh setup.sh"}), "C403", "sh"),
    ("npm ci", package(scripts={"postinstall": "./setup.sh"}), "C403", "setup.sh"),
    ("npm ci", package(scripts={"postinstall": "echo $(cat VERSION)"}), "C403", ""),
    ("npm ci", package(scripts={"postinstall": "echo a > .env"}), "C403", "redirects"),
    ("npm ci", package(scripts={"postinstall": "for"}), "C403", "not read"),
    ("npm ci", package(scripts={"preprepare": "make"}), "C404", "make"),
    ("npm ci", package(scripts={"a": "npm run a", "install": "npm run a"}), "C403", "not followed"),
    ("npm ci", {**package(scripts={"prepare": "husky"}), ".git/": ""}, "C403", ".git"),
    ("npm ci", package(dependencies={"a": "file:./lib"}), "C403", "./lib"),
    ("npm ci", package(dependencies={"a": "file:a.tgz"}), "C401", "a.tgz"),
    ("npm ci", package(dependencies={"a": "link:../lib"}), "C403", "../lib"),
    ("npm ci", package(overrides={"a": {"b": "file:./b"}}), "C403", "./b"),
    ("npm ci", package(dependencies={"a": "workspace:*"}), "C405", ""),
    ("npm ci", package(workspaces=["a"]), "C405", "/app/a"),
    ("npm ci", package(workspaces=["{a,b}"]), "C405", "{a,b}"),
    ("npm ci", {**package(workspaces=["p/*"]), "p/a/package.json": '{"bin": "x"}'}, "C405", "/app/p/a"),
    ("npm ci", {**package(workspaces=["p/*"]), "p/a/package.json": '{"scripts": {"prepare": "tsc"}}'},
     "C404", "/app/p/a"),
    ("npm ci", {**PACKAGE, "/package.json": '{"workspaces": ["app"]}'}, "C405", "/package.json"),
    ("npm ci", {**package(dependencies={"@prisma/client": "5"}), "prisma.config.ts": ""}, "C403", ""),
    ("npm ci", {**package(scripts={"postinstall": "prisma generate"}), "prisma/schema.prisma":
     'generator x {\n provider = "node ./x.js"\n}'}, "C403", "generator"),
    ("npm ci", {"package.json": "{}", "package-lock.json": '{"a": {"resolved": "file:lib"}}'}, "C403", "lib"),
    # yarn, pnpm, bun
    ("yarn", {}, "C401", "/app/package.json"),
    ("yarn install", {**PACKAGE, ".yarnrc": "what ./x\n"}, "C411", "what"),
    ("yarn install", {**PACKAGE, ".yarnrc": 'yarn-path ".yarn/releases/y.js"\n'}, "C401", "y.js"),
    ("yarn install", {**PACKAGE, ".yarnrc.yml": "cacheFolder: ./x\n"}, "C411", "cacheFolder"),
    ("yarn install", {**PACKAGE, ".yarnrc.yml": "plugins:\n  - path: x.cjs\n    spec: ./x.cjs\n"},
     "C403", "plug-in"),
    ("yarn", {**PACKAGE, ".yarnrc.yml": "a: &b 1\n"}, "C401", "anchors"),
    ("yarn", package(resolutions={"a": "patch:a@npm:1#./a.patch"}), "C401", "a.patch"),
    ("yarn", {**PACKAGE, "/yarn.lock": ""}, "C405", "/yarn.lock"),
    ("YARN_RC_FILENAME=x yarn", PACKAGE, "C411", "YARN_RC_FILENAME"),
    ("pnpm install", {**PACKAGE, ".pnpmfile.cjs": ""}, "C403", ".pnpmfile.cjs"),
    ("pnpm install", {**PACKAGE, "pnpm-workspace.yaml": "pnpmfile: x\n"}, "C411", "pnpmfile"),
    ("pnpm install", {**PACKAGE, "/pnpm-workspace.yaml": ""}, "C405", "/pnpm-workspace.yaml"),
    ("pnpm install", {**PACKAGE, "pnpm-workspace.yaml": "patchedDependencies:\n  a: p/a.patch\n"},
     "C401", "p/a.patch"),
    ("pnpm install", {**PACKAGE, "a/package.yaml": ""}, "C405", "package.yaml"),
    ("pnpm fetch", {"package.json": "{}"}, "C401", "pnpm-lock.yaml"),
    ("bun install", package(patchedDependencies={"a@1": "patches/a.patch"}), "C401", "a.patch"),
    ("bun install", {**PACKAGE, "bunfig.toml": 'preload = ["./x.ts"]'}, "C411", "preload"),
    # Go
    ("go mod download", {}, "C401", "/app/go.mod"),
    ("go mod download", {"go.mod": "replace a => ../a\n"}, "C420", "../a"),
    ("go mod download", {"go.mod": "replace (\n\ta v1 => ./a\n)\n"}, "C420", "./a"),
    ("go mod download", {"go.mod": "", "go.work": "use ./a\n"}, "C401", "/app/a/go.mod"),
    ("go mod tidy", {"go.mod": ""}, "C404", "go mod tidy"),
    ("go get", {"go.mod": ""}, "C404", ""),
    ("go get ./...", {}, "C404", "./..."),
    ("go get github.com/a/b", {"go.mod": ""}, "C404", ""),
    ("GOFLAGS=-modfile=x.mod go mod download", {"go.mod": ""}, "C411", "GOFLAGS"),
    # Ruby
    ("bundle install", {}, "C401", "/app/Gemfile"),
    ("bundle install", {"Gemfile": "gemspec\n"}, "C410", "gemspec"),
    ("bundle install", {"Gemfile": 'gem "a", path: "a"\n'}, "C410", "path"),
    ("bundle install", {"Gemfile": 'gem "a",\n  :path => "a"\n'}, "C410", "path"),
    ("bundle install", {"Gemfile": 'path "a" do\nend\n'}, "C410", "path"),
    ("bundle install", {"Gemfile": 'Dir["a/*"].each { |f| eval_gemfile f }\n'}, "C403", "Dir"),
    ("bundle install", {"Gemfile": 'gem "a", File.read("VERSION")\n'}, "C403", "File"),
    ("bundle install", {"Gemfile": 'require_relative "a"\n'}, "C403", "require_relative"),
    ("bundle install", {"Gemfile": 'ruby file: ".ruby-version"\n'}, "C401", ".ruby-version"),
    ("bundle install", {"Gemfile": 'eval_gemfile "b"\n'}, "C401", "/app/b"),
    ("bundle install", {"Gemfile": "plugin 'a'\n"}, "C403", "plugin"),
    ("bundle install", {"Gemfile": "", "Gemfile.lock": "PATH\n  remote: .\n"}, "C410", "Gemfile.lock"),
    ("bundle install", {"Gemfile": "", ".bundle/config": 'BUNDLE_LOCAL__A: "/a"\n'}, "C411", "LOCAL__A"),
    ("bundle install", {"Gemfile": "", ".bundle/config": 'BUNDLE_MIRROR__ALL: "file:///a"\n'}, "C411", ""),
    ("bundle install", {"Gemfile": "gem 'a', git: '../a'\n"}, "C410", "git"),
    ("bundle install", {"Gemfile": "source 'file:///app/gems'\n"}, "C403", "file:"),
    ("bundle install", {"Gemfile": "", "vendor/bundle/a": ""}, "C402", "vendor/bundle"),
    ("BUNDLE_WHAT=x bundle install", {"Gemfile": ""}, "C411", "BUNDLE_WHAT"),
    ("bundle config set path x", {"Gemfile": ""}, "C411", "path"),
    ("gem install a", {"a-1.gem": ""}, "C401", "gems"),
    ("gem install ./a.gem", {}, "C411", "./a.gem"),
    # Composer
    ("composer install", {}, "C401", "/app/composer.json"),
    ("composer install --no-plugins", {"composer.json":
     '{"scripts": {"post-install-cmd": "x"}}'}, "C403", "scripts"),
    ("composer install", {"composer.json": "{}"}, "C403", "plug-ins"),
    ("composer install -o --no-plugins", {"composer.json": "{}"}, "C404", "autoloader"),
    ("composer install --no-plugins", {"composer.json": '{"autoload": {"classmap": ["a"]}}'},
     "C404", "autoloader"),
    ("composer install --no-plugins", {"composer.json":
     '{"repositories": [{"type": "path", "url": "../a"}]}'}, "C410", "repository"),
    ("composer install", {"composer.json": "{}", "composer.lock":
     '{"packages": [{"name": "a/b", "type": "composer-plugin"}]}'}, "C403", "a/b"),
    ("composer install --no-plugins", {"composer.json": "{}", ".git/": ""}, "C403", ".git"),
    ("composer install --no-plugins", {"composer.json": "{}", "vendor/a": ""}, "C402", "vendor"),
    ("COMPOSER=x.json composer install", {"composer.json": "{}"}, "C411", "COMPOSER"),
    ("composer install --no-plugins", {"composer.json": '{"config": {"cafile": "a"}}'}, "C411", "cafile"),
    ("composer install", {"composer.json": "{}", "composer.lock":
     '{"packages": [{"name": "symfony/flex", "type": "composer-plugin"}]}'}, "C403", "symfony.lock"),
    # Java
    ("mvn dependency:go-offline", {}, "C401", "/app/pom.xml"),
    ("mvn dependency:go-offline package", {"pom.xml": "<project/>"}, "C406", "package"),
    ("mvn dependency:go-offline", {"pom.xml": "<project><modules><module>a</module></modules></project>"},
     "C405", "modules"),
    ("mvn dependency:go-offline", {"pom.xml": "<project><parent/></project>", "/pom.xml": ""},
     "C405", "/pom.xml"),
    ("mvn dependency:resolve", {"pom.xml": "<!DOCTYPE a [<!ENTITY b 'c'>]><project/>"}, "C401", ""),
    ("mvn dependency:resolve", {"pom.xml": "<project>"}, "C401", "no XML"),
    ("mvn dependency:resolve", {"pom.xml":
     "<project><repository><url>file://${project.basedir}/r</url></repository></project>"}, "C410", ""),
    ("mvn dependency:resolve", {"pom.xml": "<project/>", ".mvn/extensions.xml": ""}, "C403", ""),
    ("./mvnw dependency:resolve", {"pom.xml": "<project/>", "mvnw": "rm -rf"}, "C403", "mvnw"),
    ("./gradlew dependencies", {"gradlew": ""}, "C403", "Gradle"),
    # .NET
    ("dotnet restore", {"a.cs": ""}, "C401", "/app"),
    ("dotnet restore", {"a.csproj": "<Project/>", "b.csproj": "<Project/>"}, "C401", "/app"),
    ("dotnet restore a.csproj", {}, "C401", "a.csproj"),
    ("dotnet restore", {"a.csproj": '<Project><ProjectReference Include="..\\b\\b.csproj"/></Project>'},
     "C401", "/b/b.csproj"),
    ("dotnet restore", {"a.csproj": '<Project><ProjectReference Include="$(X)b.csproj"/></Project>'},
     "C403", "$(X)"),
    ("dotnet restore", {"a.csproj": '<Project><Import Project="b.props"/></Project>'}, "C410", "b.props"),
    ("dotnet restore", {"a.csproj": "<Project/>", "obj/x": ""}, "C402", "obj"),
    ("dotnet restore", {"a.csproj": '<Project><Target BeforeTargets="Restore"/></Project>'}, "C403", ""),
    ("dotnet restore", {"a.csproj": "<Project>$([System.IO.File]::ReadAllText(v))</Project>"}, "C403", ""),
    ("dotnet restore", {"a.csproj": "<Project/>", "nuget.config":
     '<c><packageSources><add key="a" value="./p"/></packageSources></c>'}, "C401", "/app/p"),
    ("dotnet restore -p:RestorePackagesPath=x", {"a.csproj": "<Project/>"}, "C411", ""),
    # Rust
    ("cargo fetch", {}, "C401", "/app/Cargo.toml"),
    ("cargo fetch", {"Cargo.toml": '[workspace]\nmembers = ["a"]'}, "C405", "/app/a"),
    ("cargo fetch", {"Cargo.toml": '[package]\n[dependencies]\na = {path = "a"}'}, "C410", "/app/a"),
    ("cargo fetch", {"Cargo.toml": "[package]", "/Cargo.toml": ""}, "C405", "/Cargo.toml"),
    ("cargo fetch", {"Cargo.toml": "", ".cargo/config.toml": 'paths = ["a"]'}, "C410", "config.toml"),
    ("cargo install --path .", {"Cargo.toml": ""}, "C404", ""),
    # Elixir
    ("mix deps.get", {}, "C401", "/app/mix.exs"),
    ("mix deps.get", {"mix.exs": 'version: File.read!("VERSION")'}, "C403", "File.read!"),
    ("mix deps.get", {"mix.exs": '{:a, path: "../a"}'}, "C410", "folder"),
    ("mix deps.get", {"mix.exs": 'apps_path: "apps"'}, "C405", "umbrella"),
    ("mix deps.get", {"mix.exs": "", "deps/a/b": ""}, "C402", "deps"),
    ("mix deps.compile", {"mix.exs": "", "config/config.exs": 'File.read!("a")'}, "C403", ""),
    ("mix deps.get", {"mix.exs": "", "config/config.exs": 'import_config "../b.exs"'}, "C403", ""),
    ("MIX_EXS=b.exs mix deps.get", {"mix.exs": ""}, "C411", "MIX_EXS"),
    ("mix local.hex --force", {"mix.exs": 'Code.require_file("x")'}, "C403", "Code"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "files", "code", "named"), REFUSED)
def test_what_is_refused(command: str, files: dict[str, str], code: str, named: str) -> None:
    found = look(command, files)
    if not code:
        assert isinstance(found, Install)
        return
    assert isinstance(found, Unknown), found
    assert found.code == code, found
    assert named in found.reason, found
    assert found.unlock


READS = [
    ("pip install -r requirements.txt", {"requirements.txt": "six\n", "app.py": ""}, "requirements.txt"),
    ("pip3 install --no-cache-dir -rreq.txt", {"req.txt": "", "setup.py": ""}, "req.txt"),
    ("pip install -U -r r/a.txt", {"r/a.txt": "-r b.txt\n-c c/d.txt # x\n", "r/b.txt": "",
     "r/c/d.txt": ""}, "r/a.txt r/b.txt r/c/d.txt"),
    ("python3.11 -u -m pip install --requirement=a.txt", {"a.txt": ""}, "a.txt"),
    ("pip install -r a.txt", {"a.txt": "-r \\\n  b.txt\n", "b.txt": "# -e .\n"}, "a.txt b.txt"),
    ("pip install -r a.txt", {"a.txt": "six==1 \\\n --hash=sha256:a \\\n # -e .\n"}, "a.txt"),
    ("pip install -r a.txt", {"a.txt": 'a[b,c] >=1,<2; python_version < "3"\n-i https://x/${T}\n'}, "a.txt"),
    ("pip install -r a.txt", {"a.txt": "git+https://github.com/a/b.git@v1#egg=b\nhttps://a/b.whl\n"}, "a.txt"),
    ("pip install -r a.txt", {"a.txt": "a @ https://x/a.zip\n./w/a.whl\n", "w/a.whl": ""}, "a.txt w/a.whl"),
    ("pip install --no-index --find-links=w -r a.txt", {"a.txt": "", "w/a.whl": ""}, "a.txt w/"),
    ("pip install -f /wheels -r a.txt", {"a.txt": ""}, "a.txt"),
    ("pip install flask gunicorn==1.0 uvicorn[standard]", {"app.py": ""}, ""),
    ("pip install --upgrade pip", {}, ""),
    ("pip install six", {"setup.cfg": "[install]\nprefix = x\n"}, "setup.cfg"),
    ("pip install six", {"setup.cfg": "[metadata]\n"}, ""),
    ("pipenv install --system --deploy", {"Pipfile": "", "Pipfile.lock": "{}", "a.py": ""},
     "Pipfile Pipfile.lock"),
    ("pipenv sync", {"Pipfile": "", ".env": "A=b\n"}, ".env Pipfile"),
    ("poetry install --no-root --only main -n", {"pyproject.toml": PROJECT, "poetry.lock": "",
     "poetry.toml": "", "README.md": ""}, "poetry.lock poetry.toml pyproject.toml"),
    ("poetry install", {"pyproject.toml": "[tool.poetry]\npackage-mode = false"}, "pyproject.toml"),
    ("poetry install --no-root", {"pyproject.toml": "[project]\nlicense = {file = 'L'}", "L": ""},
     "L pyproject.toml"),
    ("uv sync --locked --no-install-project", {"pyproject.toml": PROJECT + BUILD, "uv.lock": "",
     ".python-version": "", "README.md": ""}, ".python-version pyproject.toml uv.lock"),
    ("uv sync", {"pyproject.toml": PROJECT, "uv.lock": ""}, "pyproject.toml uv.lock"),
    ("uv sync --frozen --no-install-workspace --package b",
     {"pyproject.toml": PROJECT + '[tool.uv.workspace]\nmembers = ["p/*"]', "p/b/pyproject.toml": "",
      "p/b/b.py": ""}, "p/b/pyproject.toml pyproject.toml"),
    ("uv pip install --system -r a.txt", {"a.txt": "", "pyproject.toml": PROJECT}, "a.txt pyproject.toml"),
    ("uv pip sync a.txt", {"a.txt": "-c b.txt", "b.txt": ""}, "a.txt b.txt"),
    ("uv tool install ruff", {"a.py": ""}, ""),
    ("pdm sync --prod --no-self", {"pyproject.toml": PROJECT, "pdm.lock": ""}, "pdm.lock pyproject.toml"),
    ("npm ci", {**PACKAGE, ".npmrc": "registry=https://x\n//x/:_authToken=${T}\n", "index.js": ""},
     ".npmrc package-lock.json package.json"),
    ("npm install --legacy-peer-deps --unsafe-perm true", PACKAGE, "package-lock.json package.json"),
    ("npm ci --prefix web", {"web/package.json": "{}", "web/package-lock.json": "", "a.js": ""},
     "web/package-lock.json web/package.json"),
    ("npm install -g npm@9 typescript@~4.3 @a/b@latest", PACKAGE, ""),
    ("npm install -g nodemon", {".npmrc": "fund=false"}, ".npmrc"),
    ("npm ci", {**package(scripts={"postinstall": "patch-package"}), "patches/a.patch": ""},
     "package-lock.json package.json patches/"),
    ("npm ci", {**package(scripts={"prepare": "husky install || true"}), ".husky/a": ""},
     ".husky/ package-lock.json package.json"),
    ("npm ci", package(scripts={"prepare": "is-ci || husky"}), "package-lock.json package.json"),
    ("npm ci", package(scripts={"preinstall": "npx only-allow npm", "build": "tsc"}),
     "package-lock.json package.json"),
    ("npm ci --ignore-scripts", package(scripts={"prepare": "tsc"}), "package-lock.json package.json"),
    ("npm ci", {**package(scripts={"postinstall": "npm run gen", "gen": "prisma generate"}),
     "prisma/schema.prisma": 'generator a {\n  provider = "prisma-client-js"\n}'},
     "package-lock.json package.json prisma/schema.prisma"),
    ("npm ci", {**package(dependencies={"@prisma/client": "5"}), "prisma/schema.prisma": ""},
     "package-lock.json package.json prisma/schema.prisma"),
    ("npm ci", {**package(scripts={"install": "node check.js"}), "check.js":
     "const v = require('./v'); if (process.version < v) process.exit(1)", "v.js": "1"},
     "check.js package-lock.json package.json v.js"),
    ("npm ci", package(scripts={"preinstall": "node -e \"if (process.env.X) process.exit(1)\""}),
     "package-lock.json package.json"),
    ("npm ci", {**package(workspaces=["p/*", "q"]), "p/a/package.json": "{}", "q/package.json": "{}",
     "p/b/x": ""}, "p/a/package.json package-lock.json package.json q/package.json"),
    ("npm ci", {**package(dependencies={"a": "file:a.tgz"}), "a.tgz": ""},
     "a.tgz package-lock.json package.json"),
    ("yarn install --frozen-lockfile", {"package.json": "{}", "yarn.lock": "# yarn lockfile v1",
     ".yarnrc": "registry x\n"}, ".yarnrc package.json yarn.lock"),
    ("yarn", {"package.json": "{}", "yarn.lock": "__metadata:", ".yarnrc.yml":
     "nodeLinker: node-modules\nyarnPath: .yarn/releases/y.cjs\n", ".yarn/releases/y.cjs": ""},
     ".yarn/ .yarn/releases/y.cjs .yarnrc.yml package.json yarn.lock"),
    ("yarn global add serve", PACKAGE, ""),
    ("pnpm install --frozen-lockfile", {"package.json": "{}", "pnpm-lock.yaml": "",
     "pnpm-workspace.yaml": "packages:\n  - 'p/*'\npatchedDependencies:\n  a: x/a.patch\n",
     "p/a/package.json": "{}", "x/a.patch": ""},
     "p/a/package.json package.json pnpm-lock.yaml pnpm-workspace.yaml x/a.patch"),
    ("pnpm fetch --prod", {"pnpm-lock.yaml": "", "pnpm-workspace.yaml": "packages: ['p/*']",
     "p/a/package.json": "{}"}, "pnpm-lock.yaml pnpm-workspace.yaml"),
    ("bun install --frozen-lockfile", {"package.json": "{}", "bun.lock": "", ".env": ""},
     ".env bun.lock package.json"),
    ("corepack enable", PACKAGE, ""),
    ("go mod download", {"go.mod": "module a\n", "go.sum": "", "main.go": "", "vendor/modules.txt": ""},
     "go.mod go.sum"),
    ("go mod download -x", {"go.mod": "require b v1\n// replace c => ../c\nreplace b => ./b\n",
     "b/go.mod": "", "b/b.go": ""}, "b/go.mod go.mod"),
    ("go mod verify", {"go.mod": "", "go.work": "use (\n\t.\n\t./b\n)\n", "b/go.mod": "",
     "go.work.sum": ""}, "b/go.mod go.mod go.work go.work.sum"),
    ("go install github.com/a/b@v1", {"main.go": ""}, ""),
    ("bundle install --jobs 4", {"Gemfile": 'source "https://x"\ngem "a", "~> 1", require: false\n'
     'group :test do\n  gem "b"\nend\n', "Gemfile.lock": "", "app.rb": ""}, "Gemfile Gemfile.lock"),
    ("bundle", {"Gemfile": 'ruby file: ".ruby-version"\n', ".ruby-version": ""}, ".ruby-version Gemfile"),
    ("bundle install", {"Gemfile": 'eval_gemfile "g/b.rb"\n', "g/b.rb": "gem 'x'\n"}, "Gemfile g/b.rb"),
    ("bundle install", {"Gemfile": "", ".bundle/config": '---\nBUNDLE_PATH: "x"\n', "vendor/cache/a.gem": ""},
     ".bundle/config Gemfile vendor/cache/"),
    ("gem install bundler -v 2.1.4 --no-document", {"Gemfile": ""}, ""),
    ("composer install --no-dev --no-scripts --no-autoloader --no-plugins",
     {"composer.json": '{"autoload": {"classmap": ["a"]}}', "composer.lock": ""},
     "composer.json composer.lock"),
    ("composer install", {"composer.json": '{"autoload": {"psr-4": {"A": "src/"}}}',
     "composer.lock": '{"packages": [{"name": "symfony/flex", "type": "composer-plugin"}]}',
     "symfony.lock": ""}, "composer.json composer.lock symfony.lock"),
    ("mvn -B -ntp -DskipTests dependency:go-offline", {"pom.xml": "<project/>", ".mvn/jvm.config": ""},
     ".mvn/ pom.xml"),
    ("./mvnw dependency:resolve", {"pom.xml": "<project><parent><relativePath/></parent></project>",
     "mvnw": "# Apache Maven Wrapper", ".mvn/wrapper/maven-wrapper.properties": ""}, ".mvn/ mvnw pom.xml"),
    ("dotnet restore", {"a.csproj": '<Project Sdk="x"/>', "nuget.config": "<c/>", "global.json": "",
     "Directory.Build.props": "<Project/>", "a.cs": ""},
     "Directory.Build.props a.csproj global.json nuget.config"),
    ("dotnet restore a.sln -r linux-x64", {"a.sln":
     'Project("{FAE0}") = "b", "b\\b.csproj", "{1}"\nEndProject\n', "b/b.csproj":
     '<Project><ProjectReference Include="..\\c\\c.csproj"/></Project>', "c/c.csproj": "<Project/>"},
     "a.sln b/b.csproj c/c.csproj"),
    ("cargo fetch --locked", {"Cargo.toml": '[package]\n[dependencies]\na = {path = "a"}\n', "Cargo.lock": "",
     "a/Cargo.toml": "[package]", "a/src/lib.rs": "", "src/main.rs": "", "src/x.rs": "",
     "rust-toolchain.toml": ""},
     "Cargo.lock Cargo.toml a/Cargo.toml a/src/lib.rs rust-toolchain.toml src/main.rs"),
    ("cargo install cargo-chef --locked", {"Cargo.toml": ""}, ""),
    ("cargo chef cook --release --recipe-path r.json", {"r.json": "{}", "Cargo.toml": ""}, "r.json"),
    ("mix deps.get --only prod", {"mix.exs": 'app: :a, version: "1", x: Mix.env() == :prod',
     "mix.lock": "", "config/config.exs": 'import Config\nimport_config "#{config_env()}.exs"\n',
     "config/prod.exs": "", "lib/a.ex": ""}, "config/ mix.exs mix.lock"),
    ("mix do local.hex --force, local.rebar --force", {"lib/a.ex": ""}, ""),
]  # fmt: skip


@pytest.mark.parametrize(("command", "files", "wanted"), READS)
def test_what_is_read(command: str, files: dict[str, str], wanted: str) -> None:
    assert reads(command, files) == wanted


NONE = [
    "pip list", "pip freeze", "python app.py", "python -m venv x", "poetry run x", "poetry lock",
    "uv run x", "uv lock", "npm run build", "npm cache clean --force", "npm start", "yarn build",
    "yarn --version", "pnpm build", "bun run x", "go build ./...", "go install ./cmd/x", "bundle exec x",
    "bundle --version", "composer dump-autoload", "mvn package", "gradle build", "dotnet build",
    "dotnet publish", "cargo build", "mix compile", "mix do deps.get, compile", "make", "", "$X install",
    "sh -c 'pip install .'", "apt-get install python3-pip", "echo pip install",
]  # fmt: skip


@pytest.mark.parametrize("command", NONE)
def test_what_is_no_install(command: str) -> None:
    assert look(command, {}) is None
    assert not looks_like_install(tuple(shlex.split(command)))


WRITES = [
    ("npm ci", PACKAGE, "node_modules"),
    ("npm install", PACKAGE, "node_modules package-lock.json"),
    ("npm install --no-package-lock", PACKAGE, "node_modules"),
    ("npm install express", PACKAGE, "node_modules package-lock.json package.json"),
    ("yarn install --frozen-lockfile", {"package.json": "{}", "yarn.lock":
     "# THIS IS AN AUTOGENERATED FILE.\n# yarn lockfile v1\n"}, "node_modules"),
    ("pip install -t lib -r a.txt", {"a.txt": ""}, "lib"),
    ("pip install -t . -r a.txt", {"a.txt": ""}, "/app"),
    ("pip install -r a.txt", {"a.txt": "-e git+https://x/y.git#egg=y\n"}, "src"),
    ("venv/bin/pip install six", {}, "venv"),
    ("pip wheel -w dist six", {}, "dist"),
    ("poetry install --no-root", {"pyproject.toml": PROJECT, "poetry.lock": ""}, ".poetry .venv"),
    ("uv sync --frozen", {"pyproject.toml": PROJECT}, ".venv"),
    ("UV_PROJECT_ENVIRONMENT=/venv uv sync --frozen", {"pyproject.toml": PROJECT}, "/venv"),
    ("go mod download", {"go.mod": ""}, "go.mod go.sum"),
    ("bundle install --deployment", {"Gemfile": ""}, ".bundle/config vendor/bundle"),
    ("composer install --no-plugins", {"composer.json": "{}", "composer.lock": ""}, "vendor"),
    ("dotnet restore", {"a.csproj": "<Project/>"}, "obj"),
    ("cargo fetch --locked", {"Cargo.toml": ""}, ""),
    ("cargo chef cook", {}, "/app"),
    ("mix deps.get", {"mix.exs": ""}, "_build deps mix.lock"),
    ("npm ci", {**package(scripts={"postinstall": "prisma generate"}), "prisma/schema.prisma":
     'generator a {\n provider = "prisma-client-js"\n output = "../src/db"\n}'}, "node_modules src/db"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "files", "wanted"), WRITES)
def test_what_is_written(command: str, files: dict[str, str], wanted: str) -> None:
    found = look(command, files)
    assert isinstance(found, Install), found
    assert " ".join(sorted(path.removeprefix("/app/") for path in found.writes)) == wanted


def test_variables_that_are_known_are_put_in() -> None:
    env = {"HOME_DIR": "/app", "UNKNOWN": "$", "EMPTY": ""}
    files = {"a.txt": ""}
    found = look('pip install -r "$HOME_DIR/a.txt"', files, env=env)
    assert isinstance(found, Install)
    assert found.reads == {"/app/a.txt"}
    for name in ("UNKNOWN", "EMPTY", "ABSENT"):
        assert isinstance(look(f"pip install -r ${name}/a.txt", files, env=env), Unknown)


def test_a_version_in_a_variable_is_assumed_to_be_one_word() -> None:
    found = look("pip install poetry==$VERSION", {})
    assert isinstance(found, Install)
    assert found.assumes == ("poetry==$VERSION is one word",)
    found = look('pip install "poetry==$VERSION"', {})
    assert isinstance(found, Install)
    assert not found.assumes


def test_what_would_be_read_is_told() -> None:
    found = look("npm ci", PACKAGE)
    assert isinstance(found, Install)
    assert "/app/.npmrc" in found.optional


def test_sudo_and_env_are_looked_behind() -> None:
    assert reads("sudo -H pip install -r a.txt", {"a.txt": ""}) == "a.txt"
    assert reads("env PIP_REQUIREMENT=b.txt pip install six", {"b.txt": ""}) == "b.txt"
    assert look("sudo -u x pip install six", {}) is None


def test_what_surrounds_an_install_is_read_too() -> None:
    files = {"a.txt": "", "ca.pem": "", ".python-version": "", "/root/.netrc": "", "/root/x": ""}
    assert reads("pip install -r a.txt", files) == "/root/.netrc a.txt"
    env = {"REQUESTS_CA_BUNDLE": "/app/ca.pem", "PYENV_ROOT": "/opt/pyenv", "HOME": "/h"}
    assert reads("pip install -r a.txt", files, env=env) == ".python-version a.txt ca.pem"


def test_a_program_on_the_path_that_is_copied_is_refused() -> None:
    env = {"PATH": "/app/bin:/usr/bin"}
    for name in ("npm", "node"):
        assert isinstance(look("npm ci", {**PACKAGE, f"bin/{name}": ""}, env=env), Unknown)
    assert isinstance(look("npm ci", {**PACKAGE, "bin/x": ""}, env=env), Install)


def test_a_python_path_that_hides_modules_is_refused() -> None:
    for value in ("/app/lib", "$"):
        found = look("pip install six", {"lib/typing.py": ""}, env={"PYTHONPATH": value})
        assert isinstance(found, Unknown), value
    assert isinstance(
        look("pip install six", {"lib/a.py": ""}, env={"PYTHONPATH": "/app/lib"}), Install
    )


def test_nested_texts_are_bounded() -> None:
    deep = "[" * 100_000
    assert isinstance(look("npm ci", {**PACKAGE, "package.json": deep}), Unknown)
    assert isinstance(look("uv sync", {"pyproject.toml": f"a = {deep}"}), Unknown)
    assert isinstance(look("yarn", {**PACKAGE, ".yarnrc.yml": f"a: {deep[:400]}"}), Unknown)
    chain = {f"{n}.txt": f"-r {n + 1}.txt\n" for n in range(200)}
    assert isinstance(look("pip install -r 0.txt", chain), Unknown)
    loop = {"a.txt": "-r b.txt", "b.txt": "-r a.txt"}
    assert reads("pip install -r a.txt", loop) == "a.txt b.txt"


HOSTILE = {
    "blanks": "a >=1" + " " * 200_000 + "x", "lines": "\n" * 200_000 + "x", "comments": " " * 8000 + "\n",
    "commas": "gem 'a',\n" * 20_000, "imports": "import " * 30_000, "replace": "replace (\n" * 20_000,
    "brackets": "use (\n" * 20_000, "quotes": "'\"`" * 50_000, "deep": "<a>" * 50_000, "open": "{[" * 20_000,
    "dots": "a = " + "." * 200_000, "keys": "a.b." * 40_000, "generators": "generator a {" * 15_000,
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_manifests_take_no_time(name: str) -> None:
    text = HOSTILE[name]
    start = time.perf_counter()
    for command, manifest in (
        ("pip install -r a.txt", "a.txt"), ("poetry install --no-root", "pyproject.toml"),
        ("pipenv sync", "Pipfile"), ("npm ci", "package.json"), ("go mod download", "go.mod"),
        ("go mod download", "go.work"), ("bundle install", "Gemfile"), ("mix deps.get", "mix.exs"),
        ("composer install", "composer.json"), ("mvn dependency:resolve", "pom.xml"), ("yarn", ".yarnrc.yml"),
        ("dotnet restore", "a.csproj"), ("cargo fetch", "Cargo.toml"), ("npm ci", ".npmrc"), ("yarn", ".yarnrc"),
    ):  # fmt: skip
        assert look(
            command, {"package.json": "{}", "package-lock.json": "", "go.mod": "", manifest: text}
        )
    for script, manifest in (("node a.js", "a.js"), ("prisma generate", "prisma/schema.prisma")):
        look("npm ci", {**package(scripts={"install": script}), manifest: text})
    assert time.perf_counter() - start < 5


def test_installs_look_like_installs() -> None:
    for command in (
        "pip install -r a.txt",
        "npm ci",
        "go mod download",
        "bundle",
        "mvn dependency:resolve",
    ):
        assert looks_like_install(tuple(command.split()))
