#!/usr/bin/env python3
"""picture.py [FILE]: draws docs/picture.svg, the picture in README.md, from the tables below.

Its colours follow those of the reader's screen: dark lines on nothing, or light ones where dark mode is on."""

import sys

WIDTH, HEIGHT = 760, 320
# Boxes: left, top, width, height, class, lines of text; the first is a title.
BOXES = (
    (10, 20, 190, 116, "plain", ("docker hosts, CI, nodes", "docker, podman, skopeo,", "buildah, kubelet, scripts", "hold an API key,", "and no password")),
    (290, 20, 180, 116, "ours", ("regcred", "behind your nginx", "which login, for whom,", "checked, renewed,", "and written down")),
    (560, 20, 190, 116, "plain", ("registries", "ghcr.io, Docker Hub,", "ECR, Google, Azure, Quay,", "Harbor, GitLab,", "or your own")),
    (290, 206, 80, 74, "kept", ("SQLite", "logins,", "sealed")),
    (390, 206, 80, 74, "kept", ("key file", "kept apart", "from them")),
)
# Arrows: points, the text at it, where it goes (x, y, anchor).
ARROWS = (
    ((200, 56), (290, 56), "key, image", (245, 48, "middle")),
    ((290, 98), (200, 98), "login", (245, 90, "middle")),
    ((470, 56), (560, 56), "check", (515, 48, "middle")),
    ((470, 98), (560, 98), "renew", (515, 90, "middle")),
    ((330, 136), (330, 206), "", None),
    ((430, 206), (430, 136), "", None),
)
# The way of the images, which goes past regcred.
PULL = ("M 105 136 L 105 304 L 655 304 L 655 142",
        (("the pull goes straight", 118, 220), ("to the registry,", 118, 238), ("with that login", 118, 256)))
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .small { font-size: 12px; fill: #57606a }
  rect { fill: none; stroke: #57606a; stroke-width: 1.2 }
  .ours { stroke: #0969da; stroke-width: 2.4 }
  .kept { stroke-dasharray: 4 3 }
  path { fill: none; stroke: #57606a; stroke-width: 1.4 }
  .head { fill: #57606a; stroke: none }
  .pull { stroke: #1a7f37; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .small { fill: #9da7b1 }
    rect, path { stroke: #9da7b1 }
    .ours { stroke: #58a6ff }
    .head { fill: #9da7b1; stroke: none }
    .pull { stroke: #3fb950 }
  }
"""


def text(x, y, words, kind="", anchor="middle"):
    return '<text x="%d" y="%d" text-anchor="%s"%s>%s</text>' % (
        x, y, anchor, ' class="%s"' % kind if kind else "", words)


def drawing():
    yield ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="t">'
           % (WIDTH, HEIGHT, WIDTH, HEIGHT))
    yield '<title id="t">Hosts ask regcred with an API key for a login, and pull with it; regcred keeps, checks and renews the logins</title>'
    yield "<style>%s</style>" % STYLE
    yield ('<defs><marker id="a" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse">'
           '<path class="head" d="M0 0L10 5L0 10z"/></marker></defs>')
    for left, top, width, height, kind, lines in BOXES:
        yield '<rect x="%d" y="%d" width="%d" height="%d" rx="8" class="%s"/>' % (left, top, width, height, kind)
        for i, line in enumerate(lines):
            yield text(left + width // 2, top + 24 + 20 * i, line, "small" if i else "title")
    for (x1, y1), (x2, y2), words, where in ARROWS:
        yield '<path d="M %d %d L %d %d" marker-end="url(#a)"/>' % (x1, y1, x2, y2)
        if words:
            yield text(where[0], where[1], words, "small", where[2])
    yield '<path d="%s" class="pull" marker-end="url(#a)"/>' % PULL[0]
    for words, x, y in PULL[1]:
        yield text(x, y, words, "small", "start")
    yield "</svg>"


if __name__ == "__main__":
    with open(sys.argv[1], "w", encoding="utf-8") if len(sys.argv) > 1 else sys.stdout as out:
        print("\n".join(drawing()), file=out)
