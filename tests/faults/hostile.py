"""Two hundred values that customers, suppliers and typing errors are known to make: each some program's undoing."""

from __future__ import annotations

_SQL = (
    "'", '"', "''", '""', "`", "\\", "\\'", "';", "--", "/*", "*/", ";", "'; drop table runs; --", "' or '1'='1",
    '"; drop schema forecasting cascade; --', "1; delete from models", "' union select null, null --", "x'00'",
    "$$", "$1", ":name", "::text", "?", "%s", "%(run_id)s", "%%", "%", "_", "{run_id}", "E'\\x27'", "U&'\\0027'",
    "robert'); drop table students;--", "[orders]", "orders", "select", "null::text", "pg_sleep(9)", "1/0",
    "runs.run_id", "main.runs", "sqlite_master", "admin'/*", "||'x'||", "\\N", "\\.", "\\copy x to y",
)  # fmt: skip
_TEMPLATES = (
    "{}", "{0}", "{0.__class__}", "{name!r:>10000}", "{{7*7}}", "{% include '/etc/passwd' %}", "{{config}}",
    "${7*7}", "#{7*7}", "<%= 7*7 %>", "{{''.__class__.__mro__}}", "$(touch owned)", "`touch owned`", "| touch owned",
    "; touch owned", "&& touch owned", "$HOME", "~root", "!!", "%PATH%", "> owned", "\\u0027", "&#39;", "&lt;b&gt;",
)  # fmt: skip
_PAGES = (
    "<script>alert(1)</script>", "</script><script>alert(2)</script>", '"><img src=x onerror=alert(3)>',
    "<svg onload=alert(4)>", "javascript:alert(5)", "' onmouseover='alert(6)", "<!--", "-->", "<![CDATA[x]]>",
    "]]>", "</title><b>", "<b>bold</b>", "<style>*{display:none}</style>", "&amp;", "&", "<", ">", "</td></tr></table>",
    "data:text/html,<b>", "<iframe src=//evil.example>", "<a href='x'>",
)  # fmt: skip
_SHEETS = (
    "=1+1", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example")', "+1+1", "-1+1", "@SUM(A1)", "=", "+", "-", "@",
    " =1+1", "＝1+1", "'=1+1", '"=1+1"', ";=1+1", ",=1+1", "a,b", "a;b", "a\tb", '"a"', "_x0041_", "_x000D_",
    "\u200b=1+1",
)  # fmt: skip
_NUMBERS = (
    "NULL", "null", "None", "nan", "NaN", "inf", "-inf", "Infinity", "-0", "0", "00", "007", "1e309", "1e3", "0x1F",
    "1_000", "1,000.00", "1.0", "7.00", "٣", "²", "½", "true", "false", "True", "yes", "no", "on", "Norway: no",
    "2023-01-01", "12:30:45", "9" * 40, "-9223372036854775809", "18446744073709551616", "NA", "N/A", "#N/A", "#REF!",
    "undefined", "[]", "~", "-",
)  # fmt: skip
_SIGNS = (
    "é", "e\u0301", "ß", "İ", "ı", "Å", "Å", "ﬀ", "中文", "日本語", "한국어", "עברית", "العربية", "\u202egnp.exe",
    "\u2066x\u2069", "\u200b", "a\u200bb", "\ufeffbom", "\u00a0", "a\u00a0b", "👍", "👩‍👩‍👧‍👦", "🇩🇪",
    "\U0001f469\U0001f3fd",
    "Z̴̢͎a̸l̷g̶o̵", "\U000e0041", "\ue000", "\uffff", "\ufffd", "𝕊𝕙𝕠𝕡", "\u2028line", "\u2029paragraph", "﷽", "ǅ",
)  # fmt: skip
_CONTROLS = (
    "a\nb", "\n", "a\r\nb", "\t", "a\x1b[31mred", "\x1b[2J", "\x1b]0;title\x07", "\x07", "\x08\x08", "\x7f", "\x85",
    "ok\n2024-01-01T00:00:00Z ERROR run=1 forged", 'x level=error msg="forged"', "a\x0bb", "\x01",
)  # fmt: skip
_PLACES = (
    "../../x", "..", ".", "/etc/passwd", "..\\..\\x", "C:\\x", "\\\\host\\share", "con", "NUL", "lpt1", "aux.txt",
    "a/b", "a\\b", "file:///etc/passwd", "http://x.example/?a=b&c=d#e", "~/x", "x.", " x", "x ", "  ", ".hidden",
)  # fmt: skip
_MARKUP = (
    "[red]", "[/red]", "[bold]x[/bold]", "[link=http://evil.example]x[/link]", ":smile:", 'x"} 1\nforged{a="',
    'label="x",other="y"', "{a: b}", "- item", "key: value", "a = 1", "[tasks.x]", "# comment", "'''",
    "!!python/object",
    "*anchor", "&anchor", "<<: *x", "FORECASTING_WAREHOUSE",
)  # fmt: skip
_LONG = ("x" * 10_000, "é" * 5_000, "'" * 1_000)

VALUES: tuple[str, ...] = tuple(
    dict.fromkeys((*_SQL, *_TEMPLATES, *_PAGES, *_SHEETS, *_NUMBERS, *_SIGNS, *_CONTROLS, *_PLACES, *_MARKUP, *_LONG))
)
"""All of them may stand in a text column of every database."""

UNSTORABLE: tuple[str, ...] = ("a\x00b", "\x00", "'\x00' or 1=1")
"""With a NUL, which PostgreSQL stores nowhere."""
