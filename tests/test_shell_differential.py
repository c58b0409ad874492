"""refactor.shell against shfmt: wherever a script is understood, both read the same tree.

Scripts are only parsed, never run. DFR_CORPUS names the folder of the corpus.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from refactor import shell
from refactor.shell import Dialect, Opaque
from refactor.source import decode
from refactor.syntax import ParseError, parse
from tests import corpus

Json = dict[str, Any]
Normal = tuple[Any, ...]

SHFMT = shutil.which("shfmt", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
BATCH = 100
WORKERS = 2


class Rejected(Exception):
    """Shfmt does not accept a script, or reads a part of it as something we never understand."""


class Theirs:
    """Takes the tree of shfmt over; `values` are the words after quote removal."""

    def __init__(self, text: str, base: int) -> None:
        self.text = text
        self.base = base
        self.values: dict[tuple[int, int], str | None] = {}
        self.starts: list[int] = []
        if not text.isascii():
            at = 0
            for char in text:
                self.starts.append(at)
                at += len(char.encode())

    def at(self, position: Json) -> int:
        """Return the offset in characters."""
        offset: int = position["Offset"] - self.base
        return bisect_right(self.starts, offset - 1) if self.starts else offset

    def span(self, node: Json) -> tuple[int, int]:
        """Return where a node starts and ends."""
        return self.at(node["Pos"]), self.at(node["End"])

    def raw(self, node: Json) -> str:
        """Return a node as written."""
        start, end = self.span(node)
        return self.text[start:end]

    def sequence(self, statements: list[Json]) -> Normal:
        """Return statements and what separates them."""
        parts = [self.statement(s) for s in statements]
        marks = [self.at(s["Semicolon"]) if "Semicolon" in s else -1 for s in statements]
        end = max(parts[-1][2], marks[-1] + 1)
        separators = tuple(self.text[m] if m >= 0 else "" for m in marks)
        return ("list", parts[0][1], end, tuple(parts), separators)

    def statement(self, node: Json) -> Normal:
        """Return a statement: a pipeline, a list or a command with redirections."""
        body = self.unnegated(node)
        if not node.get("Negated"):
            return body
        parts, operators = ((body,), ()) if body[0] != "|" else (body[3], body[4])
        return ("!|", self.at(node["Pos"]), body[2], parts, operators)

    def unnegated(self, node: Json) -> Normal:
        """Return a statement without its `!`."""
        if node.get("Coprocess"):
            raise Rejected("a coprocess")
        redirects = tuple(self.redirect(r) for r in node.get("Redirs", ()))
        command: Json = node.get("Cmd", {"Type": "CallExpr"})
        if command["Type"] == "BinaryCmd":
            assert not redirects
            return self.binary(command)
        if command["Type"] in ("CallExpr", "DeclClause", "LetClause", "TestClause", "ArithmCmd"):
            return self.command(command, redirects)
        kind, parts = self.compound(command)
        end = max((self.at(command["End"]), *(r[1] for r in redirects)))
        return (kind, self.at(command["Pos"]), end, parts, redirects)

    def binary(self, node: Json) -> Normal:
        """Return `a | b | c` or `a && b || c`, flat."""
        pipe = node["Op"].startswith("|") and node["Op"] != "||"
        parts: list[Normal] = []
        operators: list[str] = []
        sides = [node["X"], node["Op"], node["Y"]]
        while sides:
            side = sides.pop(0)
            if isinstance(side, str):
                operators.append(side)
                continue
            inner = side.get("Cmd", {})
            nested = inner.get("Type") == "BinaryCmd" and not side.get("Negated")
            if nested and pipe == (inner["Op"] in ("|", "|&")):
                sides[:0] = [inner["X"], inner["Op"], inner["Y"]]
            else:
                parts.append(self.statement(side))
        kind = "|" if pipe else "&&"
        return (kind, parts[0][1], parts[-1][2], tuple(parts), tuple(operators))

    def command(self, node: Json, redirects: tuple[Normal, ...]) -> Normal:
        """Return a simple command."""
        kind = node["Type"]
        assignments: list[tuple[int, int]] = []
        words: list[tuple[int, int]] = []
        if kind == "CallExpr":
            assignments = [self.assignment(a) for a in node.get("Assigns", ())]
            words = [self.word(w) for w in node.get("Args", ())]
        elif kind == "DeclClause":
            variant = self.span(node["Variant"])
            words = [variant, *(self.span(a) for a in node.get("Args", ()))]
        elif kind == "LetClause":
            start = self.at(node["Pos"])
            words = [(start, start + 3), *(self.span(a) for a in node["Exprs"])]
        else:
            words = [self.span(node)]
        spans = sorted((*assignments, *words, *(r[:2] for r in redirects)))
        return (
            "command", spans[0][0], spans[-1][1], tuple(assignments), tuple(words), redirects
        )  # fmt: skip

    def assignment(self, node: Json) -> tuple[int, int]:
        """Return where an assignment is; shfmt counts `A+=` one short."""
        start, end = self.span(node)
        short = self.text[end - 1 : end + 1] == "+=" and "Value" not in node
        return start, end + short

    def redirect(self, node: Json) -> Normal:
        """Return a redirection as its span, descriptor, operator and target."""
        start, end = self.span(node)
        return (start, end, node.get("N", {}).get("Value", ""), node["Op"], self.raw(node["Word"]))

    def word(self, node: Json) -> tuple[int, int]:
        """Return where a word is, and note its value."""
        span = self.span(node)
        self.values[span] = value(node["Parts"])
        return span

    def compound(self, node: Json) -> tuple[str, tuple[Any, ...]]:
        """Return the kind of a compound command and its tokens and lists in order."""
        kind = node["Type"]
        if kind == "Block":
            return "{", ("{", self.sequence(node["Stmts"]), "}")
        if kind == "Subshell":
            return "(", ("(", self.sequence(node["Stmts"]), ")")
        if kind == "IfClause":
            return "if", ("if", *self.branches(node), "fi")
        if kind == "WhileClause":
            word = "until" if node.get("Until") else "while"
            return "while", (word, self.sequence(node["Cond"]), self.group(node))
        if kind == "ForClause":
            return "for", self.loop(node)
        if kind == "CaseClause":
            items = (self.item(i) for i in node.get("Items", ()))
            return "case", ("case", self.raw(node["Word"]), "in", *items, "esac")
        if kind == "FuncDecl":
            words = ["function"] if node.get("RsrvWord") else []
            words += [node["Name"]["Value"], *(("(", ")") if node.get("Parens") else ())]
            return "function", (*words, self.sequence([node["Body"]]))
        raise Rejected(kind)

    def branches(self, node: Json) -> Iterator[Any]:
        """Yield the inside of an `if`."""
        yield self.sequence(node["Cond"])
        yield "then"
        yield self.sequence(node["Then"])
        if "Else" in node:
            other = node["Else"]
            start = self.at(other["Position"])
            if "ThenPos" not in other:
                inner = self.sequence(other["Then"])
                yield ("else", start, inner[2], ("else", inner), ())
                return
            condition, then, body, *rest = self.branches(other)
            yield ("elif", start, body[2], ("elif", condition, then, body), ())
            yield from rest

    def group(self, node: Json) -> Normal:
        """Return `do ... done`."""
        start, end = self.at(node["DoPos"]), self.at(node["DonePos"]) + len("done")
        return ("do", start, end, ("do", self.sequence(node["Do"]), "done"), ())

    def loop(self, node: Json) -> tuple[Any, ...]:
        """Return the inside of a `for`."""
        head = node["Loop"]
        if head["Type"] != "WordIter":
            raise Rejected(head["Type"])
        words = ["select" if node.get("Select") else "for", head["Name"]["Value"]]
        if "InPos" in head:
            words += ["in", *(self.raw(i) for i in head.get("Items", ()))]
        gap = self.text[self.at(head["End"]) : self.at(node["DoPos"])].strip()
        return (*words, *([";"] if ";" in gap or "InPos" in head else ()), self.group(node))

    def item(self, node: Json) -> Normal:
        """Return one branch of a `case`."""
        patterns = [self.raw(p) for p in node["Patterns"]]
        tokens: list[Any] = [p for pattern in patterns for p in (pattern, "|")][:-1]
        start = self.at(node["Patterns"][0]["Pos"])
        before = self.text[:start].rstrip()
        if before.endswith("("):
            tokens.insert(0, "(")
            start = len(before) - 1
        tokens.append(")")
        end = self.text.index(")", self.at(node["Patterns"][-1]["End"])) + 1
        if node.get("Stmts"):
            tokens.append(self.sequence(node["Stmts"]))
            end = tokens[-1][2]
        last = self.at(node["OpPos"]) if "OpPos" in node else len(self.text)
        if self.text.startswith(node["Op"], last):
            tokens.append(node["Op"])
            end = last + len(node["Op"])
        return ("item", start, end, tuple(tokens), ())


def value(parts: list[Json]) -> str | None:
    """Return what quote removal leaves of a word, None if there is more to do than that."""
    out = []
    for part in parts:
        kind = part["Type"]
        if kind == "Lit":
            bare = re.sub(r"\\.", "", part["Value"])
            if set(bare) & set("*?[]{}~"):
                return None
            out.append(re.sub(r"\\(.)", r"\1", part["Value"]))
        elif kind == "SglQuoted" and not part.get("Dollar"):
            out.append(part.get("Value", ""))
        elif kind == "DblQuoted" and not part.get("Dollar"):
            for inner in part.get("Parts", ()):
                if inner["Type"] != "Lit":
                    return None
                out.append(re.sub(r"\\([\\$`\"])", r"\1", inner["Value"]))
        else:
            return None
    return "".join(out)


_REDIRECT = re.compile(r"(\d*|\{\w+\})(&>>|&>|>>|>&|<&|<>|>\||>|<)[ \t]*(.*)\Z", re.DOTALL)


def ours(node: shell.Node | str) -> Any:
    """Return a node of refactor.shell in the common form."""
    if isinstance(node, str):
        return node
    start, end = node.start, node.end
    if isinstance(node, shell.Command):
        assignments = tuple((w.start, w.end) for w in node.assignments)
        words = tuple((w.start, w.end) for w in node.words)
        return ("command", start, end, assignments, words, _redirects(node.redirects))
    parts = tuple(ours(p) for p in node.parts)
    if isinstance(node, shell.Sequence):
        return ("list", start, end, parts, node.separators)
    if isinstance(node, shell.AndOr):
        return ("&&", start, end, parts, node.operators)
    if isinstance(node, shell.Pipeline):
        return ("!|" if node.negated else "|", start, end, parts, node.operators)
    return (node.kind, start, end, parts, _redirects(node.redirects))


def _redirects(redirects: tuple[shell.Redirect, ...]) -> tuple[Normal, ...]:
    out = []
    for redirect in redirects:
        match = _REDIRECT.match(redirect.text)
        groups = match.groups() if match else ("no redirection",)
        out.append((redirect.start, redirect.end, *groups))
    return tuple(out)


def shfmt(scripts: Sequence[str], dialect: Dialect) -> list[list[Json] | str]:
    """Return the statements of each script with the byte it starts at, or why it is rejected."""
    assert SHFMT
    text = "".join(s + "\n" for s in scripts)
    done = subprocess.run(
        [SHFMT, "--to-json", "-ln", dialect], input=text.encode(), capture_output=True, check=False
    )
    found: list[list[Json] | str] = [[] for _ in scripts]
    whole = done.returncode == 0
    for statement in json.loads(done.stdout)["Stmts"] if whole else ():
        line = statement["Pos"]["Line"]
        whole = whole and line == statement["End"]["Line"]
        lines = found[line - 1]
        assert isinstance(lines, list)
        lines.append(regrouped(statement))
    if whole and all(found):
        return found
    if len(scripts) == 1:
        return [done.stderr.decode() or "no single line"]
    half = len(scripts) // 2
    return shfmt(scripts[:half], dialect) + shfmt(scripts[half:], dialect)


def regrouped(statement: Json) -> Json:
    """Take `&& b` out of the function in `f() { a; } && b`, where shfmt alone puts it.

    dash and bash end the function with its compound command, as POSIX has it.
    """
    node: Json = statement.get("Cmd", {})
    for side in ("X", "Y") if node.get("Type") == "BinaryCmd" else ():
        node[side] = regrouped(node[side])
    body: Json = node.get("Body", {}) if node.get("Type") == "FuncDecl" else {}
    if body.get("Cmd", {}).get("Type") != "BinaryCmd":
        return statement
    leaf = body
    while leaf["Cmd"]["X"].get("Cmd", {}).get("Type") == "BinaryCmd":
        leaf = leaf["Cmd"]["X"]
    first = leaf["Cmd"]["X"]
    head = {"Pos": node["Pos"], "End": first["End"]}
    leaf["Cmd"]["X"] = {**head, "Cmd": {**node, **head, "Body": first}}
    return {**body, "Pos": statement["Pos"], **{
        key: statement[key] for key in ("Semicolon", "Background") if key in statement
    }}  # fmt: skip


def difference(script: shell.Script, statements: list[Json] | str) -> str:
    """Return how two readings of a script differ, empty if they do not."""
    if isinstance(statements, str):
        return f"shfmt: {statements}"
    theirs = Theirs(script.text, statements[0]["Pos"]["Offset"] - _indent(script.text))
    try:
        expected = theirs.sequence(statements)
    except Rejected as reason:
        return f"shfmt reads {reason}"
    if (found := ours(script.body)) != expected:
        return f"ours   {found}\ntheirs {expected}"
    for word in (w for command in script.commands() for w in command.words):
        known = theirs.values.get((word.start, word.end), word.literal)
        if word.literal not in (None, known):
            return f"literal {word.literal!r}, not {known!r}"
    return ""


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def differences(scripts: Sequence[tuple[str, Dialect]]) -> Iterator[str]:
    """Yield the differences over all understood scripts."""
    read = [(shell.read(text, dialect), dialect) for text, dialect in scripts]
    for dialect in Dialect:
        known = [s for s, d in read if d is dialect and isinstance(s, shell.Script)]
        known = [s for s in known if s.body.parts]
        batches = [known[at : at + BATCH] for at in range(0, len(known), BATCH)]
        with ThreadPoolExecutor(WORKERS) as pool:
            texts = ([s.text for s in batch] for batch in batches)
            results = pool.map(partial(shfmt, dialect=dialect), texts)
            for batch, trees in zip(batches, results, strict=True):
                for script, tree in zip(batch, trees, strict=True):
                    if text := difference(script, tree):
                        yield f"{dialect}: {script.text}\n{text}"


# What POSIX shells and bash make of a script: + understood, - opaque. Blanks at the ends are
# written ␣, tabs ⇥.
TABLE = r"""
++ a
++ a b  c
++ ␣ a⇥b ␣
++ a > f b
++ a 2>&1 >f
++ >f a
++ > f
++ >f >g
++ a >f b >g c
++ a>f
++ a2>f
++ a 2 >f
-+ a 12>f
++ a \2>f
-- a 1<f 2>>g 0<>h
++ a >| f
-- a <> f
++ a 3<&0
++ a >&-
++ a <&-
-+ a >&2b
-+ a >& f
-+ a >&f
++ a >& 2
-+ a >&$fd
-+ a 2>&12
-+ a &> f
-+ a &>> f
-+ a &>f b
-- a >
-- a > > f
-- a > 2>f
-- a <
-- a >&
++ a > f g > h i
-- a <<< b
-- a <<< "b c" > f
-- a <<E
-- a <<-E
-- a << 'E'
-- a {fd}>f
++ a {fd} >f
++ a "2">f
++ a >"f g"
++ a >'f' 2>"$g"
++ a > $f
++ a > f&& b
++ a > f| b
++ a && b > f || c
++ a && b > f c | d || e
++ a && b 2>&1 | c
++ a | b > f && c
++ a && b
++ a || b
++ a && b || c && d
++ a | b && c | d
++ a|b|c
-+ a |& b
-+ a | b |& c
-- a ||| b
-- a &&& b
-- a && && b
-- a &&
-- a ||
-- a |
-- | a
-- && a
-- ; a
-- a ; ; b
-- a;; b
++ a;
++ a ;
++ a; b
++ a;b;c;
++ a &
++ a & b
++ a & b &
++ a&
-- a &; b
-- a; & b
-- a;& b
-- a;&>f
-- & a
-- !
++ ! a
++ ! a | b
++ ! a && b
++ a && ! b
-- a | ! b
-- ! ! a
++ ! a; b
-- !a
-- !x y
-- !(a)
++ ! (a)
++ ! { a; }
-- ! > f
++ a ! b
++ a !b
++ (a)
++ ( a )
++ (a;b)
++ (a; b;) > f
++ ( a && b ) | c
++ (a) && (b)
-- (a) b
-- (a)b
-- a (b)
-- a(b)
-- ()
-- ( )
-- ( ; )
-- (a
-- a)
-- ((a))
++ ( (a) )
++ ( (a); b )
-- ((x=1))
++ { a; }
++ { a; } 2>&1 | b
++ { a; b; } > f
-- { a; } b
-- { a }
-- { a
-- { }
-- { ; }
-- {a;}
++ { a;}
++ { a; };
++ { a; } && b
-- { (a) }
++ { (a); }
++ { { a; }; }
-- { { a; } }
++ { a; } > f > g
-- }
++ a }
++ a {
-- echo { a; }
++ if a; then b; fi
++ if a; then b; fi > f
++ if a; then b; else c; fi
++ if a; then b; elif c; then d; else e; fi
++ if a; then b; elif c; then d; elif e; then f; fi 2>&1 | g
++ if a && b; c; then d & e; fi; f
++ if ! a; then b; fi && c
++ if [ a = b ]; then c; fi
-- if (a) then b; fi
-- if a; then b; fi c
-- if a; then b
-- if a; then fi
-- if a then b fi
-- if a; b; fi
-- if; then b; fi
-- if a; else b; fi
-- if a; then b; else c; elif d; then e; fi
-- then a
-- else
-- fi
-- elif a
-- a=1 if b
++ a >f if
++ "if" a
++ \if a
++ echo if then fi
++ while a; do b; done
++ while a; do b; done < f
++ while a | b; do c; done | d
++ while :; do a && break; done
++ until a; do b; done
++ until a; do b; done &
-- while a; b; done
-- while a do b; done
-- while a; do done
-- do a
-- done
++ for i in a b; do c; done
++ for i in a b; do c $i; done > f
++ for i in "$@"; do a; done && b
++ for i in *.c $(ls) `ls`; do a; done
++ for i; do a; done
-- for i do a; done
-- for i in; do a; done
-- for i in a b do c; done
-- for i in a & do b; done
-- for 1 in a; do b; done
-- for i-j in a; do b; done
-- for if in a; do b; done
-- for $i in a; do b; done
-- for ((i=0;i<3;i++)); do a; done
-- for i in a; { b; }
-- for i in a > f; do b; done
++ case a in b) c;; esac
++ case $x in a|b) c;; *) d;; esac
++ case "$x" in (a) b ;; (c | "d") e; f;; esac
++ case a in b) c;; d) e; esac
++ case a in b) c; esac > f
++ case a in b) ;; esac
++ case a in b);; c) d;; esac
++ case a in esac
++ case a in [a-z]*) b;; -x) c;; esac
-- case a in b) c;& d) e;; esac
-- case a in b) c;;& d) e;; esac
-- case a in b) c
-- case a in b c) d;; esac
-- case a b) c;; esac
++ case a in b) if c; then d; fi;; e) f && g;; esac
-- case a in (esac) b;; esac
++ case in in in) in=1;; esac
-- esac
-- in
-- in a
-+ select i in a b; do c; done
-- select a
++ f() { a; }
++ f() { a; } > f
++ f() { a; }; f b
++ f () ( a )
++ f( ) { a; b; } 2>&1
++ f() { a; } && b | c
++ f() { a; } | b
++ f() { f() { a; }; }
-- f() a
-- f() if a; then b; fi
-- f()
-- f-g() { a; }
-- export() { a; }
-- if() { a; }
-- "f"() { a; }
-+ function f { a; }
-+ function f() { a; }
-+ function f () ( a )
-- function f a
-- function
-- f() { a; } b
++ a=b
++ a=b c
++ a= b
++ a=b c=d
++ a=b c=d e=f g
++ a="b c"
++ a="$b"'c'$(d) e
++ a=$(b c) d
++ a=$((1+2)) b
-- a=b >f
++ a=b >f c
++ >f a=b c
++ a =b
++ a = b
++ 1a=b
++ a-b=c
++ "a"=b
-+ a+=b
-+ a+=b c
-+ a=(b c)
-- a=(b c) d
-- a=(
-- a=b(c)
-- x[1]=2
-- x[1]
-- x[$i]=2 y
-- a[b c]=d
++ export A=1 B
++ export A="$B c" D=`e`
-+ export A=(b c)
++ export -n A
++ local a=1 b
++ readonly a
++ declare -A a
-+ declare a=(b c)
++ typeset x=1
++ export "A=b"
+- export a[1]=2
++ unset a
++ unset -f a b
+- let x=1
+- let "x = 1"
++ set -ex; a
++ exec > f
++ exec 3>&1 >f
++ eval "a b"
++ . ./a
++ : ${a:=b}
++ [ a = b ]
++ [ -n "$x" -a ! -f y ]
++ [ "$(a "b c")" = d ] && e
++ [ a = b ] > f || c
++ [ $(nproc) > 2 ]
-- [ a
++ [ ! -e a ] || [ "$b" != 'c d' ]
++ test ! -e x
++ test a = b && c
-+ [[ a && b ]]
-+ [[ -f a || ! -d b ]] && c
-+ [[ $a == b* ]] > f
-+ [[ ( a = b ) ]]
-+ [[ $a =~ ^b.*$ ]]
-- [[ a b ]]
-- [[ ]]
-- [[ a
-- ]]
-- [[a]]
-- time a
-- time a | b
-- time
-- coproc a
++ echo [a]
++ echo a*b? [!c]
++ ~/x
++ echo ~ ~/x a~ a:~b
-- a#b
-- a #b
-- a;#b
-- a && #b
-- #a
-- a # b; c
++ echo \# x
++ echo '#' "#"
++ echo $#
++ echo a$b#c
++ echo "$a"#b
++ a\ b
-- \␣
++ a \ b
-- a\
++ \a\b
++ echo \" \' \\ \$ \` \; \& \|
++ 'a'"b"c
++ ''
++ a ''
++ a "" b
++ 'a b' c
-- a 'b
-- a "b
++ a 'b"c' "d'e"
++ a "b\"c" d
++ a "b\\" c
++ a 'b\' c
++ a "b\$c" "\`d\`"
++ a "\a\"\\"
++ a "b;c|d&e>f(g)" h
++ a 'b;c|d&e>f(g)' h
++ a "$b" "${c}" "$(d)"
++ a "$" "$ b" "b$" $
++ a $ b
-- a $% $. $/ $=
++ a "$(b "c d" 'e')" f
++ a "$(b "$(c "d")")"
++ a $(b; c) $(d | e && f)
++ a $(b $(c `d`))
++ a $(b > c 2>&1)
++ a $( b )
-- a $()
++ a $(<f)
++ a $(b; )
-- a $(b &&)
-- a $(b;;)
-- a $(then)
-- a $(b
-- a $(b) c)
++ a $(case b in c) d;; esac)
-- a $(# b)
-- a $(b # c)
++ a `b`
++ a "`b c`" d
++ a `b "c d" 'e'` f
++ a `b | c` `d;e`
-- a `b \`c\``
-- a "`b "c"`"
-- a `b
-- a ``
-- a `then`
++ a $((1+2))
++ a $(( 1 + 2 )) "$((x*$y))"
++ a $((1 + (2 - $x) % 3))
++ a $((a == b && c < d))
-- a $((1+))
-- a $((1 2))
-- a $((x=1)) b
-- a $((a ? b : c))
-- a $((x++))
++ a $(((1)+2))
-- a $((a); b)
-- a $((1+2)
-- a $[1+2]
++ a ${b} ${b:-c} ${b-c} ${b:=c} ${b:?c} ${b:+c}
++ a ${b%c} ${b%%.*} ${b#*/} ${b##*/}
++ a ${#b} ${#} ${1} ${10} ${@} ${*} ${?}
++ a ${b:-c d} "${b:-c d}"
++ a ${b:-"c d"} ${b:-'c}d'}
-- a "${b:-'c'}"
-- a "${b:-"c"}"
++ a ${b:-${c:-$d}} ${b:-$(c)}
++ a ${b:-\}}
-- a ${b
-- a ${}
-- a ${b c}
-- a ${b!}
-+ a ${b/c/d}
-+ a ${b//c/}
-+ a ${b:1:2}
-+ a ${b:1}
-+ a ${b^^} ${b,,}
-+ a ${!b}
-+ a ${b[0]} ${b[@]} ${#b[@]}
-- a ${b@Q}
++ a $b$c ${b}c "$b"c
++ a $1 $10 $@ $* $# $? $- $$ $!
-+ a {b,c}
-+ a {1..3}
-+ a b{c,d}e
++ a {} \;
++ a {b} {
++ a "{b,c}" '{d,e}' \{f,g\}
-+ a {$b,c}
-+ a ${b}{c,d}
++ a="{b,c}"
++ find . -name '*.c' -exec rm {} +
-+ $'x'
-+ a $'b\'c' d
-+ $"x"
++ a "$'b'"
-+ a <(b)
-+ a <(b; c) > >(d)
-+ a < <(b)
++ é > f
++ é "ü" ☃ > f && b | c > g
++ a 'é' >é
++ é=1
++ A=é b
++ a > "☃ f" 2>&1
++ 𝒳 a | 𝒴
++ a $(é "☃") `ü` > f
++ if é; then ü > ☃; fi 2>&1
++ a b
++ a⇥b
++ { if a; then while b; do for i in c; do (d); done; done; fi; } > f
++ a && (b || { c; d; }) | e && ! f
++ a "$(if b; then c; else d; fi)" && e
++ a=$(b) && c=$(d | e) || exit 1
++ set -eux; a; if [ -f b ]; then c; fi; rm -rf d/*
++ (cd a && b) || { c >&2; exit 1; }
++ a | while read -r b; do c "$b"; done
++ a | sed -e 's/^#//' -e "s|b|$c|" > d && e
++ curl -fsSL "https://a.b/c?d=e&f=g" | tar -xz -C /usr --strip-components=1
++ echo "deb [arch=$(dpkg --print-architecture)] https://a b c" > /d/e.list
++ printf '%s\n' "a" 'b' > f
++ powershell -Command $a = 'b'; c
-- a @(b|c)
-- a !(b)
-- a +(b)
-- a b(c)
++ a %b% ^c @d +e ,f .g /h :i =j -k _l
++ a -- --b=c -d
++ =a
++ a=b=c d==e
++ ./a/b.sh --c
++ /bin/sh -c "a && b"
++ a * ? .
-+ a{1..3}
++ a{b,c
-+ a < <(b) > f
-- a 2<(b)
-+ x=<(a)
-- a=b>f
++ a⇥>⇥f
++ a;⇥b
++ a 2>/dev/null || true
++ a && ( b )
++ a&&b||c;d|e&f
++ ! a || ! b
++ ! a | b > f && c
++ a | { b; } | ( c )
++ { a; } | b > f
++ { a | b; } && c; d
++ ( a; b ) > f 2>&1 &
++ if a | b; then c; fi | d
++ if a; then b; fi && if c; then d; fi
++ while a; do b; done | while c; do d; done
++ for i in a; do b; done; c
++ for i in a; do for j in b; do c; done; done
++ case a in b) case c in d) e;; esac;; esac
++ f() { a; } 2>&1; b
++ a "b" 'c' d\ e "$f" ${g} $(h) `i` $((1))
++ a="b" c='d' e=f\ g h
++ a "$(b | c && d; e)"
++ a "$(b 'c"d' "e'f")"
++ a "${b:-$(c "d e")}"
-- a ${b:-(c)} ${d:-{e}
++ a ${b#'}'} ${b%"}"}
++ a ${b:-<c}
++ a "${b%\"}"
-- a "$(b "${c:-"d"}")"
++ a "$b$(c)`d`$((1))e"
++ a $((0x1f << 2)) $((!x)) $((~1)) $((-x))
++ a $(( $(b) + ${c} ))
++ a $((1 - -1))
-- a $((1--1))
-- a $((a=b))
-- a $((10#08))
-- a $(('1'))
-- a $((1 ? 2))
++ a "$((1+1))" && b
-- a "b" #c
++ a "b"#c
++ a $b#c
++ a '#' b
-- a;b #
-- a # b `c
-- a b \
++ a|b;c&&d
-- a | | b
-- a || || b
-- a && ; b
-- ( a ; ; b )
-- { a; ;}
-- if a; then ; fi
-- if a;; then b; fi
-- while ; do a; done
-- for i in a; do ; done
-- case a in b) ; ;; esac
-- case a in | b) c;; esac
-- case a in b | ) c;; esac
-- case a in b) c ;; ;; esac
-- case a in b) c;; esac d
++ case a in b) c;; esac | d && e
++ case $(a) in "$b"|`c`) d;; esac
++ case a in *) ;; esac && b
++ case a in "b c"|'d e'|f\ g) h;; esac
++ until ! a; do b; done
++ while true; do :; done
-- a ${$[1]}
-- >f a=(b)
-- >f a=b
-+ a+= b
++ export a=b >f
+- local 2>f a
-- [[ -q a ]]
-- [[ a -zz b ]]
-+ [[ a -eq 1 && -n $b ]]
"""
CASES = [
    (line[:2], re.sub("␣", " ", line[3:]).replace("⇥", "\t")) for line in TABLE.strip().split("\n")
]
UNDERSTOOD = [
    (text, dialect)
    for marks, text in CASES
    for mark, dialect in zip(marks, Dialect, strict=True)
    if mark == "+"
]
CONTEXTS = """
{ @; } > f
( @ ) | a
a && @
a || { @; } && b
if @; then a; else @; fi 2>&1
while @; do @; done
for i in a b; do @; done > f
case a in b) @;; *) @ ;; esac
a "$(@)" $( @ ) b
a=$(@) b="é$(@)"
é ☃; @
@ & @
""".strip().split("\n")


# Here shfmt is wrong: the function is not all of `f() { a; } | b`, and `#` in a word is no comment.
MISREAD = re.compile(r"(f ?\(|function).*\||[\"$][a-z]?#[a-z]")


def test_table() -> None:
    """Every script is understood, or not, as the table says."""
    found = [
        ("".join("-+"[isinstance(shell.read(text, d), shell.Script)] for d in Dialect), text)
        for _, text in CASES
    ]
    assert len(CASES) > 500
    assert found == CASES


def test_table_against_shfmt() -> None:
    """What is understood, shfmt reads alike."""
    assert list(differences(UNDERSTOOD)) == []


def test_table_in_contexts_against_shfmt() -> None:
    """The same holds where the script is a part of another."""
    scripts = [
        (context.replace("@", text), dialect)
        for text, dialect in UNDERSTOOD
        for context in CONTEXTS
        if not (MISREAD.match(text + context) or MISREAD.search(text))
    ]
    assert list(differences(scripts)) == []
    assert sum(isinstance(shell.read(*s), shell.Script) for s in scripts) > 0.8 * len(scripts)


@pytest.mark.skipif(not shutil.which("dash") or not shutil.which("bash"), reason="no shells")
def test_table_against_shells() -> None:
    """What is understood, the shells themselves accept; -n keeps them from running it."""

    def accepts(script: tuple[str, Dialect], *command: str) -> bool:
        done = subprocess.run(command, input=script[0].encode(), capture_output=True, check=False)
        return done.returncode == 0

    posix = [s for s in UNDERSTOOD if s[1] is Dialect.POSIX]
    bash = [s for s in UNDERSTOOD if s[1] is Dialect.BASH]
    runs = [(posix, "dash", "-n"), (posix, "bash", "--posix", "-n"), (bash, "bash", "-n")]
    with ThreadPoolExecutor(WORKERS) as pool:
        for scripts, *command in runs:
            accepted = pool.map(lambda s, c=command: accepts(s, *c), scripts)
            assert [s for s, ok in zip(scripts, accepted, strict=True) if not ok] == []


HOSTILE = """
( $( ` ${a:- "${a:- { if while case for ! | || && ; ;; & > < >> 2>&1 <<< << ' " \\ \\" \\' $ $$ # é ☃ { } {a, {1..
[[ (( $(( $((1+ )) ]] ) = a= a=( a+= f() function [ ] * ~ <( >( $' $" ${ ${# ${! } in do done fi esac a 1 - ! |& &>
""".split()  # noqa: E501


@pytest.mark.parametrize("dialect", Dialect)
def test_nothing_escapes(dialect: Dialect) -> None:
    """Hostile text is opaque or understood, in bounded time and depth."""
    chance = random.Random(dialect)
    texts = [
        (unit + blank) * (size // (len(unit) + len(blank)))
        for unit in HOSTILE
        for blank in ("", " ")
        for size in (500, shell.MAX_CHARS, 200_000)
    ]
    texts += ["".join(chance.choices([*HOSTILE, " "], k=40)) for _ in range(3000)]
    texts += ["".join(map(chr, chance.choices(range(0x300), k=20))) for _ in range(1000)]
    texts += ["\udc80", "a\0b", "a\nb", "a\rb", "a\u00a0b", "a\x85b", "\x7f", "\U0010ffff"]
    for text in texts:
        start = time.process_time()
        assert isinstance(shell.read(text, dialect), shell.Script | Opaque)
        assert time.process_time() - start < 5, text[:20]
        shell.literal(text)


def test_nesting() -> None:
    """Nesting is read up to a depth at which Python's stack still has room."""
    for left, right in [("( ", " )"), ("{ ", "; }"), ('a "$(', ')"'), ("if ", "; then a; fi")]:
        assert isinstance(shell.read(left * 10 + "a" + right * 10), shell.Script)
        assert isinstance(shell.read(left * 100 + "a" + right * 100), Opaque)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("", ""), ("a", "a"), ("--b=c/d.e:f", "--b=c/d.e:f"), ("''", ""), ("'a b'", "a b"),
        ("'a'\"b\"c", "abc"), (r"a\ b", "a b"), (r"\a", "a"), (r"\\", "\\"), (r"'\'", "\\"),
        (r'"a\"b\\c\$d\`e\f"', r'a"b\c$d`e\f'), ("'$x`y`*'", "$x`y`*"), ('"*~{a,b}"', "*~{a,b}"),
        (r"\*\~\{", "*~{"), ("é'☃'", "é☃"), ("a#b", "a#b"), ("$x", None), ('"$x"', None),
        ('"`x`"', None), ("a*", None), ("[a]", None), ("~", None), ("{a,b}", None), ("'a", None),
        ('"a', None), ('"a\\"', None), ("a\\", None), ("a b", None), ("a;b", None), ("$'a'", None),
        ("a$", None), (r'"\\$x"', None), (r'"\\\$x"', r"\$x"),
    ],
)  # fmt: skip
def test_literal(word: str, value: str | None) -> None:
    """A word's value is what quote removal leaves, None if that is not all that happens."""
    assert shell.literal(word) == value


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" a  b\t", ["a", "b"]),
        ('[ "$(a "b c")" = \'d e\' ]', ["[", '"$(a "b c")"', "=", "'d e'", "]"]),
        (r"a\ b `c d` ${e:-f g} $((1 + 2))", [r"a\ b", "`c d`", "${e:-f g}", "$((1 + 2))"]),
        ("a&&b >c", ["a&&b", ">c"]),
    ],
)
def test_split_words(text: str, words: list[str]) -> None:
    """Quotes and substitutions are kept whole."""
    assert [text[start:end] for start, end in shell.split_words(text)] == words


def scripts_of(path: Path) -> Iterator[tuple[str, Dialect]]:
    """Yield what a Dockerfile gives a shell, and the dialect."""
    try:
        found = parse(decode(path.read_bytes()))
    except (ParseError, ValueError):
        return
    program = "sh"
    for instruction in found.instructions:
        if instruction.keyword == "FROM":
            program = "sh"
        elif instruction.keyword == "SHELL" and instruction.json:
            program = instruction.json[0].rpartition("/")[2]
        elif instruction.keyword == "RUN" and not (instruction.json or instruction.heredocs):
            if program in ("sh", "ash", "dash"):
                yield instruction.args, Dialect.POSIX
            elif program == "bash":
                yield instruction.args, Dialect.BASH


def test_corpus_against_shfmt(capsys: pytest.CaptureFixture[str]) -> None:
    """What is understood of the corpus, shfmt reads alike; and that is nearly all of it."""
    root = corpus.folder()
    scripts = sorted({s for path in corpus.files(root) for s in scripts_of(path)})
    read = [shell.read(*script) for script in scripts]
    reasons = Counter(re.sub(r"['\"].*['\"]", "...", str(r)) for r in read if isinstance(r, Opaque))
    share = 1 - reasons.total() / len(scripts)
    with capsys.disabled():
        print(f"\n{share:.2%} of {len(scripts)} scripts understood")
        for reason, count in reasons.most_common():
            print(f"{count:6} {reason}")
    assert list(differences(scripts)) == []
    assert share > 0.95
