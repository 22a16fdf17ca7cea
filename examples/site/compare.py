"""One page by four ways, side by side."""

from look import DEMOS, WAYS, begin, read, refuse
from source import config, source_of

from tailrace.html import Html, page

PAGE = read("compare.html")
LINK = Html('<a href="/compare/{}"{}>{}</a>')
ROW = Html('<li><span>{title}</span><arrival-line for="{way}"></arrival-line></li>')
FRAME = Html(
    "<figure><figcaption><h2>{title}</h2><p>{text}</p></figcaption>"
    '<iframe id="{way}" name="{way}" src="/{way}/{demo}{query}" title="{title}"></iframe>'
    '<p class="again"><a href="/{way}/{demo}{query}" target="{way}">Run again</a>'
    '<a href="/{way}/{demo}{query}">Open alone</a></p></figure>\n'
)
QUERIES = {"chat": "?question=What+is+a+tailrace%3F"}


@page
def compare(page):
    demo = page.request.path.rpartition("/")[2]
    if demo not in DEMOS:
        return refuse(page)
    title = DEMOS[demo]
    text, code = source_of(f"{demo}.py")
    ways = [{"way": way, "title": name, "text": text} for way, (name, text) in WAYS.items()]
    head = begin(page, f"{title}, four ways: tailrace", "compare.css", "compare.js")
    return head + PAGE.format(
        links=Html("").join([link(name, is_here=name == demo) for name in DEMOS]),
        title=title,
        text=text,
        rows=Html("").join([ROW.format(**way) for way in ways]),
        frames=Html("").join(
            [FRAME.format(demo=demo, query=QUERIES.get(demo, ""), **way) for way in ways]
        ),
        file=f"{demo}.py",
        code=code,
        config=config(),
    )


def link(name, is_here):
    return LINK.format(name, Html(' aria-current="page"') if is_here else "", DEMOS[name])
