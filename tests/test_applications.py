"""What the sources of an application tell: each case is a file, and what is found in it."""

from __future__ import annotations

import time

import pytest

from refactor.context import MemoryContext
from refactor.facts.applications import Application, application
from refactor.facts.evidence import PATH, PROGRAM
from refactor.knowledge import table
from refactor.sent import sent


def read(files: dict[str, str]) -> Application:
    """Return what is found in a context of these files."""
    context = MemoryContext({path: text.encode() for path, text in files.items()})
    return application(sent(context, "Dockerfile"))


def shown(found: Application, *fields: str) -> list[str]:
    """Return findings as `field value`; one that stands in the build context ends with an @."""
    names = fields or ("ports", "writes", "programs", "downloads", "libraries", "home", "unknown")
    return [
        f"{name} {item.value}{'@' * item.in_source}"
        for name in names
        for item in getattr(found, name)
    ]


def check(path: str, code: str, expected: list[str]) -> None:
    """Compare what is found in a file, without duplicates."""
    assert list(dict.fromkeys(shown(read({path: code})))) == expected


WRITE, RUN = f"unknown {PATH}", f"unknown {PROGRAM}"
PYTHON: dict[str, list[str]] = {
    'open("out.txt", "w")': ["writes out.txt"],
    'open("out.txt")': [],
    'open("out.txt", "rb")': [],
    'open("out.txt", mode="a")': ["writes out.txt"],
    'open(file="out.txt", mode="x")': ["writes out.txt"],
    'open("data", "r+b")': ["writes data"],
    'open("x", mode)': ["writes x"],
    'open(name, "w")': [WRITE],
    'open("/dev/null", "w")': [],
    'open("/tmp/x", "w")': [],
    'open("./a/../b", "w")': ["writes b"],
    'open(f"out-{n}.txt", "w")': ["writes ./"],
    'open(f"logs/{n}.txt", "w")': ["writes logs/"],
    'open("logs/%s.txt" % n, "w")': ["writes logs/"],
    'open("logs/{}.txt".format(n), "w")': ["writes logs/"],
    'open("logs/" + n, "w")': ["writes logs/"],
    'open(f"{n}.txt", "w")': [WRITE],
    'open("/" + n, "w")': [WRITE],
    'open("s3://bucket/x", "w")': [],
    "def f(path):\n    open(path, 'w')": [WRITE],
    "path = '/data/x'\ndef f(path):\n    open(path, 'w')": [WRITE],
    "def f(p):\n    return p\np = '/data/x'\nopen(p, 'w')": ["writes /data/x"],
    "def open(a, b): ...\nopen('x', 'w')": [],
    "import os\nopen(os.environ['X'], 'w')": [WRITE],
    "import os\nopen(os.environ.get('X', '/data/x'), 'w')": ["writes /data/x"],
    "import os\nopen(os.getenv('X', default='/data/x'), 'w')": ["writes /data/x"],
    "import os\nopen(os.getenv('X') or '/data/x', 'w')": ["writes /data/x"],
    "from os import environ\nx = environ.get('X')\nif not x:\n    x = 'd'\nopen(x, 'a')": [
        "writes d"
    ],
    "import os\nopen(os.path.join(os.path.dirname(__file__), 'x'), 'w')": ["writes app/x@"],
    "import os\nD = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))\n"
    "open(os.path.join(D, 'x'), 'w')": ["writes x@"],
    "from pathlib import Path\nB = Path(__file__).resolve().parent.parent\n(B / 'x').touch()": [
        "writes x@"
    ],
    "from pathlib import Path\n(Path(__file__).parents[1] / 'd').mkdir()": ["writes d@"],
    "from pathlib import Path\nPath('a', 'b').write_text('')": ["writes a/b"],
    "from pathlib import Path\nPath('a').joinpath('b', name).open('w')": ["writes a/b/"],
    "from pathlib import Path\nPath('a').open()": [],
    "from pathlib import Path\nPath('a/b.txt').with_suffix('.x').write_bytes(b'')": ["writes a/"],
    "from pathlib import Path\nPath('~/x').expanduser().mkdir()": ["writes ~/x", "home ~"],
    "from pathlib import Path\n(Path.home() / '.app').mkdir()": ["writes ~/.app", "home ~"],
    "target.mkdir()": [WRITE],
    "import os\nos.makedirs('a/b', exist_ok=True)": ["writes a/b"],
    "import os\nfor d in ('a', 'b'):\n    os.makedirs(d)": ["writes a", "writes b"],
    "import os\nos.remove(name)": [],
    "from os import makedirs as m\nm('a')": ["writes a"],
    "import shutil\nshutil.copy(a, 'b')": ["writes b"],
    "import dbm\ndbm.open('a', 'c')\ndbm.open('b')\ndbm.open('d', flag='r')": ["writes a"],
    "import sqlite3\nsqlite3.connect(':memory:')": [],
    "import sqlite3\nsqlite3.connect('db.sqlite')": ["writes db.sqlite"],
    "e = create_engine('sqlite:///data/x.db')": ["writes data/x.db"],
    "e = create_engine('sqlite:////data/x.db?a=b')": ["writes /data/x.db"],
    "e = create_engine('sqlite://')": [],
    "import os\nU = 'sqlite:///' + os.path.join(os.path.dirname(__file__), 'x.db')": [
        "writes app/x.db@"
    ],
    "U = 'sqlite:///' + path": [WRITE],
    "U = 'sqlite:///%s' % path": [WRITE],
    "U = 'sqlite:///d/{}'.format(path)": ["writes d/"],
    "e = create_engine(f'sqlite:///{name}')": [WRITE],
    "import flask_sqlalchemy\nU = 'sqlite:///x.db'": ["writes instance/x.db", "writes x.db"],
    "import logging\nlogging.basicConfig(filename='a.log')": ["writes a.log"],
    "import logging\nlogging.basicConfig(level=1)": [],
    "import logging.handlers\nlogging.handlers.RotatingFileHandler('a.log')": ["writes a.log"],
    "L = {'handlers': {'f': {'class': 'logging.FileHandler', 'filename': 'a.log'}}}": [
        "writes a.log"
    ],
    "import io, numpy as np\nb = io.BytesIO()\nnp.save(b, a)": [],
    "import numpy as np\nnp.save('a.npy', a)": ["writes a.npy"],
    "df.to_csv('a.csv')\ndf.to_csv()\ndf.to_csv(index=False)": ["writes a.csv"],
    "import matplotlib.pyplot as plt\nplt.savefig('a.png')": ["writes a.png"],
    "import tempfile\nwith tempfile.TemporaryDirectory() as d:\n    open(d + '/x', 'w')": [],
    "import tempfile, os\nopen(os.path.join(tempfile.gettempdir(), 'x'), 'w')": [],
    "import tempfile\n_, name = tempfile.mkstemp()\nopen(name, 'w')": [],
    "a, b = 'x', 'y'\nopen(b, 'w')": ["writes y"],
    "for a, b in c:\n    open(b, 'w')": [WRITE],
    "import tempfile\nf = tempfile.NamedTemporaryFile()\nopen(f.name, 'w')": [],
    "import zipfile\nzipfile.ZipFile('a.zip').extractall('out')": ["writes out"],
    "import zipfile\nzipfile.ZipFile('a.zip').extractall()": ["writes ."],
    "from PIL import Image\nImage.open(p).save('x.png')": ["writes x.png"],
    "user.save(force)": [],
    "import flask, os\nf.save(os.path.join(app.config['UPLOAD_FOLDER'], n))\n"
    "app.config['UPLOAD_FOLDER'] = 'up'": ["writes up/", "writes up"],
    "class C:\n    D = '/data'\n    def f(self):\n        open(self.D + '/x', 'w')": [
        "writes /data/x"
    ],
    "import subprocess\nsubprocess.run(['git', x])": ["programs git"],
    "import subprocess\nsubprocess.run('ls -l', shell=True)": ["programs ls", "programs sh"],
    "from subprocess import Popen\nPopen(args=['a'])": ["programs a"],
    "import subprocess\nsubprocess.run(cmd)": [RUN],
    "import subprocess\nsubprocess.run([*a, 'b'])": [RUN],
    "import subprocess\nc = ['git', 'x']\nc += ['y']\nsubprocess.run(c + [z])": ["programs git"],
    "import subprocess, sys\nsubprocess.run([sys.executable, '-m', 'x'])": ["programs python"],
    "import subprocess\nsubprocess.run('ffmpeg -i x'.split())": ["programs ffmpeg"],
    "import subprocess, shlex\nsubprocess.run(shlex.split(f'ffmpeg -i {x}'))": ["programs ffmpeg"],
    "import os\nos.system(f'cat {x} | gzip -9 > /tmp/y')": [
        "programs cat",
        "programs gzip",
        "programs sh",
    ],
    "import os\nos.system(f'{x} -a')": ["programs sh", RUN],
    "import os\nos.system('cd /x && FOO=1 make all; echo done')": ["programs make", "programs sh"],
    "import os\nos.execvp('nginx', ['nginx'])": ["programs nginx"],
    "import asyncio\nasyncio.create_subprocess_exec('a', 'b')": ["programs a"],
    "import shutil\nshutil.which('tool')": ["programs tool"],
    "import sh\nsh.git('log')": ["programs git"],
    "import logging\nsh = logging.StreamHandler()\nsh.setLevel(1)": [],
    "import git": ["programs git"],
    "from pydub import AudioSegment": ["programs ffmpeg"],
    "import ctypes\nctypes.CDLL('libfoo.so.1')": ["libraries libfoo.so.1"],
    "import ctypes.util\nctypes.util.find_library('foo')": ["libraries foo"],
    "from transformers import AutoModel\nAutoModel.from_pretrained(x)": [
        "downloads Hugging Face model"
    ],
    "import nltk\nnltk.download('punkt')": ["downloads NLTK data"],
    "P = '/root/.cache'": ["home /root"],
    "P = '/rootfs'": [],
    "import flask\napp.run(host='0.0.0.0', port=5000)": ["ports 5000"],
    "import flask, os\napp.run('0.0.0.0', int(os.environ.get('PORT', 8080)))": ["ports 8080"],
    "import uvicorn\nuvicorn.run('a:b', port=80)": ["ports 80"],
    "from http.server import HTTPServer\nHTTPServer(('', 8000), H)": ["ports 8000"],
    "import socket\ns.bind(('0.0.0.0', 81))\ns.listen(5)": ["ports 81"],
    "server.add_insecure_port('[::]:50051')": ["ports 50051"],
    "import os\nPORT = os.environ['PORT']\nimport uvicorn\nuvicorn.run(a, port=PORT)": [],
}


@pytest.mark.parametrize("code", PYTHON)
def test_python(code: str) -> None:
    check("app/main.py", code, PYTHON[code])


JAVASCRIPT: dict[str, list[str]] = {
    "const fs = require('fs'); fs.writeFileSync('out.txt', x)": ["writes out.txt"],
    "import { writeFile as w } from 'node:fs/promises'\nawait w('out.txt', x)": ["writes out.txt"],
    "const fs = require('fs').promises\nfs.mkdir(`data/${x}`)": ["writes data/"],
    "import fs from 'fs'\nfs.promises.writeFile(name, x)": [WRITE],
    "const fs = require('fs'), path = require('path')\n"
    "fs.createWriteStream(path.join(__dirname, '..', 'logs', 'a.log'))": ["writes logs/a.log@"],
    "const fs = require('fs')\nfs.mkdirSync(__dirname + '/up')": ["writes src/up@"],
    "const fs = require('fs')\nconst DIR = process.env.DIR || '/data'\n"
    "fs.mkdirSync(DIR, { recursive: true })": ["writes /data"],
    "const fs = require('fs')\nfs.writeFile(process.env.OUT, x)": [WRITE],
    "const fs = require('fs')\nfunction save(file) { fs.writeFileSync(file, 'x') }": [WRITE],
    "const fs = require('fs')\nfs.readFileSync('x')\n// fs.writeFileSync('y')": [],
    "const fs = require('fs'), os = require('os')\n"
    "fs.writeFileSync(path.join(os.tmpdir(), 'x'), y)": [],
    "const multer = require('multer')\nmulter({ dest: 'uploads/' })": ["writes uploads"],
    "const multer = require('multer')\nmulter.diskStorage({\n"
    "  destination: (req, file, cb) => cb(null, 'up/'), filename: f })": ["writes up"],
    "const sqlite3 = require('sqlite3').verbose()\nnew sqlite3.Database('a.db')": ["writes a.db"],
    "const { Sequelize } = require('sequelize')\nnew Sequelize({ storage: 'b.db' })": [
        "writes b.db"
    ],
    "const { exec, spawn: s } = require('child_process')\nexec('ls -l | wc')\ns('git', ['log'])": [
        "programs ls",
        "programs sh",
        "programs wc",
        "programs git",
    ],
    "const cp = require('child_process')\ncp.execFileSync('/usr/bin/dot')\n/a/.exec('b')": [
        "programs /usr/bin/dot"
    ],
    "const exec = promisify(require('child_process').exec)": [],
    "import { exec } from 'child_process'\nconst run = util.promisify(exec)\nrun('git log')": [
        "programs git",
        "programs sh",
    ],
    "import { spawn } from 'child_process'\nspawn(command)": [RUN],
    "re.exec('x'); db.exec('y')": [],
    "const app = require('express')()\napp.listen(3000)": ["ports 3000"],
    "const port = process.env.PORT || 3000\napp.listen(port, () => console.log(port))": [
        "ports 3000"
    ],
    "const { PORT = 4000 } = process.env\napp.listen(PORT)": ["ports 4000"],
    "app.set('port', process.env.PORT || 3001)\nserver.listen(app.get('port'))": ["ports 3001"],
    "fastify.listen({ port: 3002, host: '0.0.0.0' })": ["ports 3002"],
    "http.createServer(f).listen(8080)": ["ports 8080"],
    "server.listen(process.env.PORT)": [],
    "const os = require('os')\nos.homedir()": ["home ~"],
    "import puppeteer from 'puppeteer'": ["downloads Puppeteer browser"],
}


@pytest.mark.parametrize("code", JAVASCRIPT)
def test_javascript(code: str) -> None:
    check("src/main.js", code, JAVASCRIPT[code])


OTHERS: list[tuple[str, str, list[str]]] = [
    (
        "a.go",
        'os.Create("x")\nos.OpenFile("y", os.O_CREATE|os.O_WRONLY, 0644)',
        ["writes x", "writes y"],
    ),
    ("a.go", 'os.OpenFile("y", os.O_RDONLY, 0)\nos.Open("z")', []),
    ("a.go", 'os.MkdirAll(filepath.Join("data", name), 0o755)', ["writes data/"]),
    ("a.go", "func f(p string) { os.WriteFile(p, b, 0644) }", [WRITE]),
    ("a.go", 'exec.Command("git", "log")\nexec.CommandContext(ctx, name)', ["programs git", RUN]),
    ("a.go", 'http.ListenAndServe(":8080", nil)', ["ports 8080"]),
    (
        "a.go",
        'port := os.Getenv("PORT")\nif port == "" {\n\tport = "8081"\n}\n'
        'http.ListenAndServe(":"+port, nil)',
        ["ports 8081"],
    ),
    ("a.go", 'lis, err := net.Listen("tcp", fmt.Sprintf(":%d", 50051))', ["ports 50051"]),
    ("a.go", 'import "net/http"\ns := &http.Server{Addr: ":9000"}', ["ports 9000"]),
    ("a.go", 'db, err := sql.Open("sqlite3", "./a.db")', ["writes a.db"]),
    ("a.go", 'import "C"', ["libraries cgo"]),
    ("a_test.go", 'os.Create("x")', []),
    (
        "a.rb",
        "File.write('x', y)\nFile.open(\"log/#{n}.log\", 'a')\nFile.open('y')",
        ["writes x", "writes log/"],
    ),
    ("a.rb", "FileUtils.mkdir_p Rails.root.join('tmp', 'x')", ["writes tmp/x@"]),
    (
        "a.rb",
        "system 'convert', a\n`git log`\nexec(cmd)",
        ["programs convert", "programs git", RUN],
    ),
    ("a.rb", "# system 'no'\nset :port, ENV.fetch('PORT', 4567)", ["ports 4567"]),
    (
        "a.php",
        "<?php file_put_contents(__DIR__ . '/x', $y); fopen('z', 'w');",
        ["writes x@", "writes z"],
    ),
    ("a.php", "<?php mkdir($dir); fopen('z', 'r'); $o->mkdir('no');", [WRITE]),
    (
        "a.php",
        "<?php move_uploaded_file($t, 'uploads/' . $n); shell_exec(\"git log $x\");",
        ["writes uploads/", "programs git"],
    ),
    ("a.php", "<?php $x = `nproc`;", ["programs nproc"]),
    ("a.php", "<?php new PDO('sqlite:' . __DIR__ . '/a.db');", ["writes a.db@"]),
    ("a.php", "<?php new PDO('sqlite::memory:'); new PDO('mysql:host=x');", []),
    ("A.java", 'new ProcessBuilder().command("bash", "-c", x).start();', ["programs bash"]),
    (
        "A.java",
        'new FileWriter(System.getenv().getOrDefault("D", "/data") + "/x");',
        ["writes /data/x"],
    ),
    (
        "A.java",
        'Files.write(Paths.get("out", "x"), b);\nnew FileOutputStream(name);',
        ["writes out/x", WRITE],
    ),
    ("A.java", 'new File("data").mkdirs();', ["writes data"]),
    (
        "A.java",
        'Path root = Paths.get("up");\nFiles.move(a, root.resolve(b));\nFiles.createFile(root);',
        ["writes up/", "writes up"],
    ),
    (
        "A.java",
        'new ProcessBuilder("git", "log");\nRuntime.getRuntime().exec("ls -l");',
        ["programs git", "programs ls"],
    ),
    (
        "A.java",
        'List<String> a = new ArrayList<>();\na.add("dot");\nnew ProcessBuilder(a);',
        ["programs dot"],
    ),
    (
        "A.java",
        '@Value("${up:/data}")\nprivate String dir;\nvoid f() { Files.createFile(Path.of(dir)); }',
        ["writes /data"],
    ),
    ("A.java", 'String u = "jdbc:sqlite:app.db"; String m = "jdbc:h2:mem:x";', ["writes app.db"]),
    ("A.java", 'System.loadLibrary("foo");', ["libraries foo"]),
    (
        "application.properties",
        "server.port=${PORT:8081}\nlogging.file.name=logs/a.log",
        ["ports 8081", "writes logs/a.log"],
    ),
    (
        "src/main/resources/application.yml",
        "server:\n  ssl:\n    x: 1\n  port: 8082\nspring:\n  datasource:\n    url: jdbc:h2:./d/x",
        ["ports 8082", "writes d/x"],
    ),
    ("a.rs", 'let f = File::create("x")?;\nfs::create_dir_all(dir)?;', ["writes x", WRITE]),
    ("a.rs", 'use std::process::Command;\nCommand::new("git").arg("x");', ["programs git"]),
    ("a.rs", 'TcpListener::bind("0.0.0.0:3000").await', ["ports 3000"]),
    (
        "a.cs",
        'File.WriteAllText("x", y);\nSystem.IO.Directory.CreateDirectory(p);',
        ["writes x", WRITE],
    ),
    ("a.cs", 'Process.Start("git", "log");', ["programs git"]),
    ("a.c", 'fopen("x", "w");\nsystem("ls");', ["writes x", "programs ls", "programs sh"]),
    (
        "run.sh",
        '#!/bin/sh\nset -e\nif [ -f x ]; then\n  mkdir -p /data/x\nfi\nexec "$@"',
        ["writes /data/x", "programs mkdir"],
    ),
    (
        "run.sh",
        'D=/data\necho a > $D/x\necho b >> "${O:-/out}/y"\nls 2>&1 >/dev/null',
        ["writes /data/x", "writes /out/y", "programs ls"],
    ),
    (
        "run.sh",
        'case $1 in\n  start|stop) curl x ;;\n  "q") $TOOL ;;\nesac',
        ["programs curl", RUN],
    ),
    ("run.sh", "f() {\n  a=(one two)\n  gunicorn -b :$((x + 1))\n}\nf", ["programs gunicorn"]),
    ("run.sh", "cat <<EOF > x\nrm -rf y\nEOF\n", ["writes x", "programs cat"]),
    ("entry", "#!/usr/bin/env python3\nopen('x', 'w')", ["writes x"]),
    ("tests/a.py", "open('x', 'w')\nopen(y, 'w')", []),
    ("test_a.py", "import subprocess\nsubprocess.run(x)", []),
    ("a.spec.ts", "import fs from 'fs'\nfs.writeFileSync(x)", []),
    (
        "gunicorn.conf.py",
        "bind = '0.0.0.0:8000'\npidfile = '/run/x.pid'\naccesslog = '-'",
        ["ports 8000", "writes /run/x.pid"],
    ),
]


@pytest.mark.parametrize(("path", "code", "expected"), OTHERS)
def test_others(path: str, code: str, expected: list[str]) -> None:
    check(path, code, expected)


DJANGO = """
import os
from pathlib import Path
BASE_DIR = Path(__file__).resolve().parent.parent
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": BASE_DIR / "db.sqlite3"}}
MEDIA_ROOT = os.path.join(BASE_DIR, "media")
STATIC_ROOT = os.getenv("STATIC", "/srv/static")
"""


def test_settings_of_django() -> None:
    found = read({"site/shop/settings.py": DJANGO})
    assert shown(found, "writes") == [
        "writes site/db.sqlite3@",
        "writes site/media@",
        "writes /srv/static",
    ]
    assert [item.line for item in found.writes] == [5, 6, 7]
    postgres = DJANGO.replace("sqlite3", "postgresql", 1)
    assert len(read({"shop/settings.py": postgres}).writes) == 2


def test_constants_of_other_files() -> None:
    found = read(
        {
            "app/config.py": "import os\nDATA_DIR = os.environ.get('DATA', '/data')\n",
            "app/main.py": "from .config import DATA_DIR\nopen(f'{DATA_DIR}/x', 'w')\n",
            "app/more.py": "import config\nopen(config.DATA_DIR + '/y', 'w')\n",
            "app/less.py": "from config import NOWHERE_TO_BE_FOUND as x\nopen(x, 'w')\n",
        }
    )
    assert shown(found) == ["writes /data/x", "writes /data/y", WRITE]


def test_languages_frameworks_and_imports() -> None:
    found = read(
        {
            "a.py": "import os.path\nfrom flask import Flask\nfrom .x import y\nimport flask.g",
            "tests/test_a.py": "import pytest\nimport git",
            "a.ts": "import express from 'express'\nimport x from './x'\nimport '@scope/a/b'",
            "main.go": 'package main\nimport (\n\t"net/http"\n\t"github.com/gin-gonic/gin"\n)',
            "bin/run": "#!/bin/sh\n",
            "notes.txt": "x",
        }
    )
    assert found.languages == {"python", "typescript", "go", "shell"}
    assert [item.value for item in found.frameworks] == ["flask", "express", "net/http", "gin"]
    assert found.imports == {"os", "flask", "pytest", "git", "express", "@scope/a"}
    assert found.programs == ()
    assert found.frameworks[0].line == 2


@pytest.mark.parametrize("path", ["a.ex", "lib/x.jar", "program", "a.pl"])
def test_what_is_not_read_is_unknown(path: str) -> None:
    found = read({path: "\x7fELF", "gradle/wrapper/gradle-wrapper.jar": "x", "Dockerfile": "#!/x"})
    assert [item.path for item in found.unknown] == [path]
    assert "programs" in found.unknown[0].value
    assert "paths" in found.unknown[0].value


@pytest.mark.parametrize(
    "code",
    [
        "print 'x'",
        "x = " + "(" * 5_000 + ")" * 5_000,
        "x = " + "-" * 100_000 + "1",
        "x = 1" + " + 1" * 100_000,
        "x = a" + ".b()" * 50_000,
        "\0",
        "x = 'a\ud800'".encode("utf-8", "surrogatepass").decode("utf-8", "replace") + "\nif",
    ],
)
def test_what_does_not_parse_is_unknown(code: str) -> None:
    started = time.process_time()
    found = read({"a.py": code, "test_b.py": code})
    assert [item.path for item in found.unknown] == ["a.py"]
    assert time.process_time() - started < 5


@pytest.mark.parametrize(
    "argument",
    ["-" * 900 + "x", "x" + ".b()" * 300, "'a' + " * 300 + "'b'", "[" * 90 + "]" * 90, "x" * 9_000],
)
def test_an_expression_that_is_too_deep_is_unknown(argument: str) -> None:
    found = read({"a.py": f"import subprocess\nsubprocess.run({argument})"})
    assert len(found.unknown) == 1
    assert "program" in found.unknown[0].value


def test_names_that_are_defined_by_themselves_end() -> None:
    chain = "\n".join(f"a{n} = a{n - 1} + 'x'" for n in range(1, 300))
    grown = "p = p + 'x'\nq = r\nr = q\n" + "\n".join(f"s = s + '{n}'" for n in range(50))
    code = f"a0 = 'y'\n{chain}\n{grown}\nfor n in (a299, p, q, s):\n    open(n, 'w')"
    assert PATH in {item.value for item in read({"a.py": code}).unknown}


def test_newer_syntax_is_read() -> None:
    code = "try:\n    open('x', 'w')\nexcept KeyError, ValueError:\n    open('y', 'w')\n"
    assert shown(read({"a.py": code})) == ["writes x", "writes y"]


def test_line_ends_and_marks_do_not_shift_lines() -> None:
    code = "\ufeff# \u00e4\r\nx = '\u00e4'; open('\u00e4.txt', 'w')\r\n"
    found = read({"a.py": code}).writes
    assert [(item.value, item.line) for item in found] == [("\u00e4.txt", 2)]


def test_budgets_end_with_what_is_unknown() -> None:
    many = {f"m{n}.py": "\n".join(f"open(x{n}.y{i}, 'w')" for i in range(900)) for n in range(9)}
    found = read(many)
    assert not found.complete
    assert any("program" in item.value for item in found.unknown)
    large = read({"a.py": "x = 1\n" * 200_000})
    assert not large.complete
    assert [item.path for item in large.unknown] == ["a.py"]


def test_bundles_of_the_browser_are_left_out() -> None:
    assert shown(read({"public/a.min.js": "a()," * 9_000})) == []
    found = read({"dist/a.js": "var c=require('fs');" + "a()," * 9_000})
    assert [item.path for item in found.unknown] == ["dist/a.js"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.js", "const a = (" * 20_000),
        ("a.js", "x" * 900_000),
        ("a.js", "'" * 300_000),
        ("a.js", "a.\n" * 200_000 + "listen("),
        ("a.js", "const x = x + x\n" * 3_000 + "listen(x)"),
        ("a.go", "os.Create(" * 30_000),
        ("a.go", "a, b := x\n" * 20_000 + "os.Create(a)"),
        ("a.rb", "`" * 200_000),
        ("a.php", "$x = $x . $y;\n" * 20_000 + "mkdir($x);"),
        ("A.java", "<" * 300_000),
        ("A.java", "a b (" * 60_000),
        ("a.sh", "${" * 100_000),
        ("a.sh", "a=(" * 100_000),
        ("a.sh", "cat <<X\n" * 20_000),
        ("application.yml", "a:\n" * 100_000),
        ("application.yml", "\n".join(" " * n + "a:" for n in range(1_200))),
        ("a.rs", "/*" * 200_000),
        ("a.go", "/*\n" + "x y z\n" * 150_000 + "*/"),
        ("a.php", '<?php "' + '\\"\n' * 200_000),
        ("a.rb", "=begin x\n" * 80_000),
        ("a.rb", "system '" + "\\'\n" * 200_000),
        ("a.js", "import x" + "\n" * 500_000),
        ("a.js", "function" + "\n" * 500_000),
        ("a.sh", 'x "' + '\\"\n' * 200_000),
        ("a.sh", "> x\n" * 200_000),
        ("a.go", "".join(f"os.Create(a{n})\na{n} := b\n" for n in range(9_000))),
        ("A.java", "@Value(x) = y\n" * 50_000 + "new FileWriter(z)"),
        ("a.py", "open(" * 80 + ")" * 80),
        ("a.py", "open(x, 'w')\n" * 20_000),
    ],
)
def test_hostile_texts_take_bounded_time(path: str, text: str) -> None:
    started = time.process_time()
    read({path: text})
    assert time.process_time() - started < 10


def test_the_result_does_not_depend_on_the_order_of_files() -> None:
    files = {f"{n}.py": f"import os\nos.makedirs('{n}')\n" for n in "bca"}
    assert read(files) == read(dict(reversed(files.items())))


def test_the_tables_are_whole() -> None:
    kinds = {"writes", "programs", "ports", "downloads", "libraries", "home"}
    for row in table("calls"):
        assert row["kind"] in kinds
        assert all(row.values())
    for row in table("imports"):
        assert row["kind"] in {*kinds, "frameworks"}
        assert all(row.values())
    for name in ("calls", "imports"):
        rows = [tuple(row.values()) for row in table(name)]
        assert len(rows) == len(set(rows))
