"""The oracle must tell wrong merges of RUNs from right ones, and must let nothing act."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import shell_oracle
from tests.shell_oracle import (
    SHELLS,
    START,
    TIMED_OUT,
    Call,
    OracleUnavailable,
    World,
    available_shells,
    blind_shells,
    compare,
    programs_of,
    run_all,
    worlds_of,
)

COMPILER = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or available_shells() != SHELLS or COMPILER is None,
    reason="needs root, a C compiler, dash, bash and busybox",
)

SAME = [
    pytest.param(before, after, id=name)
    for name, before, after in [
        ("and", ["a", "b"], "a && b"),
        ("and-chains", ["a && b", "c && d"], "a && b && c && d"),
        ("or-in-braces", ["a", "b || c"], "a && { b || c; }"),
        ("ignored-failure", ["a || true", "b"], "a || true && b"),
        ("ignored-failure-in-braces", ["a || true", "b"], "{ a || true; } && b"),
        ("sequence-before", ["a; b", "c"], "a; b && c"),
        ("sequence-before-in-braces", ["a; b", "c"], "{ a; b; } && c"),
        ("sequence-after-in-braces", ["a", "b; c"], "a && { b; c; }"),
        ("errexit-on-both-sides", ["set -ex; a; b", "set -ex; c; d"], "set -ex; a; b; c; d"),
        ("errexit-and-last-list", ["set -e; a", "b && c"], "set -e; a; b && c"),
        ("errexit-and-split-list", ["set -e; a", "b && c", "d"], "set -e; a; b; c; d"),
        ("errexit-hoisted", ["a", "set -e; b; c"], "set -e; a; b; c"),
        ("comment-hoisted", ["a # note", "b"], "# note\na && b"),
        ("stripped-semicolon", ["a;", "b"], "a && b"),
        ("exit-in-subshell", ["exit 0", "b"], "( exit 0 ) && b"),
        ("cd-in-subshell", ["cd /x && a", "b"], "( cd /x && a ) && b"),
        ("export-in-subshell", ["export A=1", "echo $A"], "( export A=1 ) && echo $A"),
        ("source-in-subshell", [". /x/env.sh && a", "b"], "( . /x/env.sh && a ) && b"),
        ("umask-in-subshell", ["umask 077 && a", "b"], "( umask 077 && a ) && b"),
        ("pipe", ["a | b", "c"], "a | b && c"),
        ("if", ["if a; then b; fi", "c"], "if a; then b; fi && c"),
        ("for", ["for i in 1 2; do a $i; b; done", "c"], "for i in 1 2; do a $i; b; done && c"),
        ("trap-in-subshell", ["trap 'b' EXIT; a", "c"], "( trap 'b' EXIT; a ) && c"),
        ("exec-in-subshell", ["exec >log 2>&1; a", "c"], "( exec >log 2>&1; a ) && c"),
        ("number-sign-in-word", ["a http://h/p#frag", "b"], "a http://h/p#frag && b"),
        ("assignment-of-one-command", ["A=1 a", "b"], "A=1 a && b"),
        ("piped-to-shell", ["a | sh", "b"], "a | sh && b"),
        ("loop-until-success", ["until a; do b; done", "c"], "until a; do b; done && c"),
    ]
]

DIFFERENT = [
    pytest.param(before, after, id=name)
    for name, before, after in [
        ("or", ["a", "b || c"], "a && b || c"),
        ("sequence-after", ["a", "b; c"], "a && b; c"),
        ("errexit-leaks", ["set -e; a; b", "c; d"], "set -e; a; b && c; d"),
        ("errexit-in-braces", ["set -e; a; b", "c"], "{ set -e; a; b; } && c"),
        ("errexit-in-subshell", ["set -e; a; b", "c"], "( set -e; a; b ) && c"),
        ("errexit-late", ["a", "set -ex; b; c"], "a && set -ex; b; c"),
        ("errexit-and-inner-list", ["set -e; a", "b && c", "d"], "set -e; a; b && c; d"),
        ("errexit-lost", ["set -e; a; b"], "a; b"),
        ("comment", ["a # note", "b"], "a # note && b"),
        ("semicolon", ["a;", "b"], "a; && b"),
        ("background-syntax", ["a &", "b"], "a & && b"),
        ("background", ["a &", "b"], "a & b"),
        ("background-lost", ["a &"], "a"),
        ("exit", ["exit 0", "b"], "exit 0 && b"),
        ("cd", ["cd /x && a", "b"], "cd /x && a && b"),
        ("cd-relative", ["cd x && a", "cd x && b"], "cd x && a && cd x && b"),
        ("cd-of-a-variable", ["D=/x; cd $D && a", "b"], "D=/x; cd $D && a && b"),
        ("export-printed", ["export A=1", "echo $A"], "export A=1 && echo $A"),
        ("export", ["export A=1 && a", "b"], "export A=1 && a && b"),
        ("unset", ["unset HOME && a", "b"], "unset HOME && a && b"),
        ("variable", ["A=1", "echo $A"], "A=1 && echo $A"),
        ("source", [". /x/env.sh && a", "b"], ". /x/env.sh && a && b"),
        ("umask", ["umask 077 && a", "b"], "umask 077 && a && b"),
        ("umask-of-files", ["umask 077", "echo > f"], "umask 077 && echo > f"),
        ("function", ["f() { a; }; f", "f"], "f() { a; }; f && f"),
        ("trap", ["trap 'b' EXIT; a", "c"], "trap 'b' EXIT; a && c"),
        ("exec", ["exec >log 2>&1; a", "c"], "exec >log 2>&1; a && c"),
        ("positional", ["set -- x && a", "b $1"], "set -- x && a && b $1"),
        ("order", ["a", "b"], "b && a"),
        ("argument", ["a x y"], "a 'x y'"),
        ("stdout", ["a > f"], "a"),
        ("stdout-elsewhere", ["a > f"], "a > g"),
        ("stderr", ["a 2>&1"], "a"),
        ("stderr-order", ["a > f 2>&1"], "a 2>&1 > f"),
        ("stdin", ["a < /dev/null | b"], "a | b < /dev/null"),
        ("extra-descriptor", ["exec 3>f; a"], "exec 3>/dev/null; a"),
        ("here-document", ["a <<E\none\nE\n"], "a <<E\ntwo\nE\n"),
        ("builtin-to-file", ["echo x > /etc/d/f"], "echo y > /etc/d/f"),
        ("appended", ["echo x > f", "echo y >> f"], "echo x > f && echo y > f"),
        ("only-when-missing", ["cd /x || a"], "cd /x"),
        ("only-when-silent", ['[ -n "$(a)" ] || b'], ": $(a)"),
        ("only-when-unknown", ["command -v a >/dev/null || b"], ":"),
    ]
]


@pytest.fixture(autouse=True, scope="module")
def _stubs_win() -> None:
    """Skip where the machine's busybox runs its own programs instead of the stubs (not in CI)."""
    if blind_shells() and not os.environ.get("CI"):
        pytest.skip("this busybox prefers its own programs to the stubs")


@pytest.mark.parametrize(("before", "after"), SAME)
def test_right_rewrites_are_equal(before: list[str], after: str) -> None:
    assert compare(before, [after]) == []


@pytest.mark.parametrize(("before", "after"), DIFFERENT)
def test_wrong_rewrites_are_found(before: list[str], after: str) -> None:
    assert {text.split(",")[0] for text in compare(before, [after])} == set(SHELLS)


def test_differences_name_the_failing_commands() -> None:
    assert compare(["a", "b || c"], ["a && b || c"], shells=["dash"])[0] == (
        "dash, all present, failing: a: called ['a'], now calls ['a', 'c']"
    )


def test_background_is_compared_whatever_its_order() -> None:
    assert compare(["a & b & c"], ["b & a & c"]) == []


def test_shell_options_belong_to_the_comparison() -> None:
    before, after = ["a | b", "c"], ["{ a || true; } | b && c"]
    assert compare(before, after, shells=["bash"]) == []
    assert compare(before, after, shells=["bash"], options=["-o", "pipefail", "-c"]) != []


def test_variables_of_the_image_are_given() -> None:
    assert compare(["a $V"], ["a 1"], env={"V": "1"}) == []
    assert compare(["a $V"], ["a 1"]) != []


def test_declared_insertions_are_ignored() -> None:
    def without_assent(call: Call) -> Call | None:
        if call.argv[0] == "rm":
            return None
        argv = tuple(word for word in call.argv if word != "-y")
        return Call(argv, call.cwd, call.env, call.fds, call.umask, call.stdin, call.background)

    before = ["apt-get update", "apt-get install x || y"]
    after = ["apt-get update && { apt-get install -y x || y; } && rm -rf /var/lib/apt/lists/*"]
    wrong = ["apt-get update && apt-get install -y x || y; rm -rf /var/lib/apt/lists/*"]
    assert compare(before, after) != []
    assert compare(before, after, ignore=without_assent) == []
    assert compare(before, wrong, ignore=without_assent) != []


def test_many_commands_are_followed_or_sampled() -> None:
    names = [f"c{number}" for number in range(14)]
    chain, sequence = " && ".join(names), "; ".join(names)
    assert compare(names, [chain], shells=["dash"], max_commands=3) == []
    assert compare(["; ".join(names[:7]), names[7]], [f"{sequence}"], shells=["dash"]) != []
    assert compare([sequence], [sequence], shells=["dash"], max_commands=3) == []


def test_endless_scripts_prove_nothing() -> None:
    endless = "while :; do a; done"
    assert run_all([endless], "dash").status == TIMED_OUT
    assert "does not end" in compare([endless], [endless], shells=["dash"])[0]


@pytest.mark.parametrize("shell", SHELLS)
def test_outcome_of_two_runs(shell: str) -> None:
    outcome = run_all(["cd /opt && A=1 a x > f", "echo hi; b 2>&1 | c"], shell)
    assert outcome.calls == (
        Call(("a", "x"), "/opt", (("A", "1"),), ("0=null", "1=/opt/f", "2=err")),
        Call(("b",), START, (), ("0=null", "1=pipe", "2=pipe")),
        Call(("c",), START, (), ("0=pipe", "1=out", "2=err"), stdin="b-output\n"),
    )
    assert (outcome.status, outcome.output) == (0, "hi\n")
    assert outcome.files == (("/opt/f", 0o644, "a-output\n"),)


@pytest.mark.parametrize("shell", SHELLS)
def test_statuses_by_appearance_and_by_command(shell: str) -> None:
    scripts = ["a; b; a", "c", "d"]
    assert run_all(scripts, shell, [0, 4]).status == 0
    assert run_all(scripts, shell, [3]).status == 3
    stopped = run_all(scripts, shell, [0, 4, 5])
    assert stopped == run_all(scripts, shell, {("b",): 4, ("c",): 5})
    assert ([call.argv for call in stopped.calls][-1], stopped.status) == (("c",), 5)


@pytest.mark.parametrize("shell", SHELLS)
def test_pipelines_are_logged_from_left_to_right(shell: str) -> None:
    for _ in range(20):
        calls = run_all(["(a; b) | { c; d; } | e"], shell).calls
        assert [call.argv[0] for call in calls] == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize("shell", SHELLS)
def test_stubs_win_over_programs_of_the_shell(shell: str) -> None:
    names = ["rm", "ls", "cat", "mkdir", "wget", "sh", "sleep", "/usr/bin/env", "./configure"]
    assert [call.argv[0] for call in run_all(names, shell).calls] == names


def test_paths_only_known_at_run_time_get_stubs() -> None:
    before = ["D=/x/bin; cd $D && $D/tool && a", "b"]
    assert compare(before, ["D=/x/bin; ( cd $D && $D/tool && a ) && b"]) == []
    found = compare(before, ["D=/x/bin; cd $D && $D/tool && a; b"])
    assert any("failing: /x/bin/tool" in text for text in found)


def test_words_that_may_be_commands() -> None:
    script = "if a-b; then cd /x; FOO=1 /opt/c.sh > /etc/d; fi; echo x; ./y.sh; . z.sh"
    assert {"a-b", "/opt/c.sh", "./y.sh"} <= programs_of([script])
    assert not {"if", "cd", "echo", "/etc/d", "z.sh", "."} & programs_of([script])


def test_worlds_are_as_many_as_make_a_difference() -> None:
    assert [world.name for world in worlds_of(["a && b"])] == ["all present"]
    assert len(worlds_of(["cd /x && a $(b)"])) == 3
    assert run_all(["cd /x && a"], "dash", world=World(frozenset({"a"}))).status == 2


HOSTILE = [
    "rm -rf / --no-preserve-root; kill -9 -1; kill -9 1",
    "echo owned > {target}; > {target}",
    "cd /proc/self/root/.. && cd .. && echo owned > {target}",
    "cd /proc/1/cwd; cd /proc/1/root; echo owned > {target}",
    ". {source}; exec {program} {target}",
    ":(){{ :|:& }}; :",
    "exec 3<>/dev/tcp/127.0.0.1/{port}; echo owned >&3",
    "while :; do echo y; done | a",
    "echo x > /usr/bin/a; echo x > /.oracle/stub; echo x > /dev/null; a",
    "ulimit -n 5; ulimit -u 1; a",
]


@pytest.fixture
def outside() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        Path(folder, "source").write_text("echo sourced")
        yield Path(folder)


@pytest.mark.parametrize("isolation", ["namespaces", "chroot"])
def test_nothing_reaches_the_machine(outside: Path, isolation: str) -> None:
    worker = shell_oracle._Worker(isolation)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        places = {
            "target": outside / "target",
            "source": outside / "source",
            "program": shutil.which("touch"),
            "port": server.getsockname()[1],
        }
        scripts = [text.format_map(places) for text in HOSTILE]
        for shell in SHELLS:
            for script in scripts:
                setup, world = shell_oracle._Setup(shell), World(frozenset({"a", "rm"}))
                trace = worker.execute(setup, world, [script], {})
                assert "sourced" not in trace.runs[0].output
                assert worker.execute(setup, world, ["a"], {}).status == 0
        with pytest.raises(BlockingIOError):
            server.accept()
    worker.close()
    assert [path.name for path in outside.iterdir()] == ["source"]
    assert not Path(worker._base).exists()


def test_files_last_for_one_execution() -> None:
    assert run_all(["echo x > f", "read v < f; echo $v"], "dash").output == "x\n"
    assert run_all(["[ -e f ] || echo gone", "a"], "dash", world=World(frozenset("a"))).output


def test_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        run_all(["a\0b"], "dash")


def test_unknown_shells_are_refused() -> None:
    with pytest.raises(ValueError, match="fish"):
        run_all(["a"], "fish")


def test_without_root_nothing_runs() -> None:
    process = os.fork()
    if process == 0:
        os.setuid(65534)
        try:
            run_all(["a"], "dash")
        except OracleUnavailable:
            os._exit(0)
        os._exit(1)
    assert os.waitpid(process, 0)[1] == 0


def test_a_missing_compiler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    shell_oracle._binaries.cache_clear()
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    with pytest.raises(OracleUnavailable, match="compiler"):
        shell_oracle._Worker()


def test_threads_share_one_worker() -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(
            target=lambda status: answers.append(
                run_all(["a"], "dash", {("a",): status}).status - status
            ),
            args=(number,),
        )
        for number in range(1, 20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [0] * 19
