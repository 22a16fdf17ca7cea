// Fills places. Sent without its comments and white space by `fill.py`.
// d: the document; s: this script; m: the first place of each name; q: templates that may grow.
((d, s, m = {}, q = new Set) => {
  // What a node is to us: [, , "start" or "end", , name]. Old browsers parse comments.
  let is = n => /^(#comment\?)?(start|end)( ?name="(.+?)")?/.exec(n.nodeName + n.data) || [],
  step = n => ({start: 1, end: -1})[is(n)[2]] | 0,
  goal = t => t.getAttribute("for"),

  note = n => {
    let x = is(n)[4];
    if (x && !m[x]?.isConnected) m[x] = n;
    if (n.matches?.("template[for]") && n.content) {
      q.add(n);
      o.observe(n.content, {childList: true})
    }
  },
  walk = (r, w = d.createTreeWalker(r, 193)) => {
    while (w.nextNode()) note(w.currentNode)
  },

  // Fills a place within the template's parent, or anywhere. As browsers do that know the format, a
  // place without an end goes to the end of its parent, and templates of the body fill the head.
  fill = (t, any, c = m[goal(t)], p = t.parentNode, k = 1, n) => {
    if (c?.isConnected && p && (any || p == d.body || p.contains(c))) {
      for (; k && (n = c.nextSibling); n.remove()) k += step(n);
      t.remove();
      walk(t.content);
      c.replaceWith(t.content);
      return 1
    }
  },

  // A template is complete if a node follows it, or if it is an update: its place, up to the end.
  see = l => {
    for (let r of l) r.addedNodes.forEach(note);
    for (let t of q) {
      let c = t.content;
      if (t.nextSibling || c.firstChild && is(c.firstChild)[4] == goal(t) && ![...c.childNodes].reduce((k, n) => k + step(n), 0)) {
        q.delete(t);
        fill(t)
      }
    }
  },
  o = new MutationObserver(see);

  // If the browser fills places by itself, the template before this script is gone.
  if (s.previousElementSibling?.matches("[for=tailrace]")) {
    o.observe(d, {childList: true, subtree: true});
    walk(d);
    see([])
  }
  s.remove();

  // Templates that are left over stand elsewhere than their place, or before it.
  d.addEventListener("DOMContentLoaded", () => {
    o.disconnect();
    walk(d);
    for (let t of q) fill(t) || fill(t, 1) && console.warn("tailrace: not near its place: " + goal(t))
  })
})(document, document.currentScript)
