// Fills places. `fill.py` sends it without its comments and white space.
// d: the document; s: this script; m: the first place of each name; q: templates and their names.
((d, s, m = {__proto__: null}, q = new Map) => {
  // What a node is to us: [, , "s" for a start or "e" for an end, , , name]. Old browsers parse
  // comments.
  let is = n => /^(#comment.)?(s|e)(tart(.?name="(.+?)")?|nd)/.exec(n.nodeName + n.data) || [],
  step = n => ({s: 1, e: -1})[is(n)[2]] | 0,

  note = n => {
    let x = is(n)[5];
    if (x && !m[x]?.isConnected) m[x] = n;
    if (n.content && n.matches("template[for]")) {
      q.set(n, n.getAttribute("for"));
      o.observe(n.content, {childList: 1})
    }
  },
  walk = (r, w = d.createTreeWalker(r, 193)) => {
    while (w.nextNode()) note(w.currentNode)
  },

  // Fills a place within the template's parent, or anywhere. As browsers do that know the format, a
  // place without an end goes to the end of its parent, and templates of the body fill the head.
  fill = (t, x, any, c = m[x], p = t.parentNode, k = 1, n) => {
    if (p && (any || p == d.body ? d : p).contains(c)) {
      for (; k && (n = c.nextSibling); n.remove()) k += step(n);
      // 'strict-dynamic' lets all run that a script inserts, and a browser only what has the nonce.
      //strict for (n of t.content.querySelectorAll(`script:not([type*="/"]:not([type*=script]))`))
      //strict n.nonce == s.nonce || n.remove();
      t.remove();
      m[x] = null;
      walk(t.content);
      c.replaceWith(t.content);
      return 1
    }
  },

  // A template is complete if a node follows it, or if it is an update: its place, up to the end.
  o = new MutationObserver(l => {
    for (let r of l) r.addedNodes.forEach(note);
    for (let [t, x] of q) {
      let c = t.content;
      if (
        t.nextSibling ||
        is(c.firstChild || d)[5] == x && ![...c.childNodes].reduce((k, n) => k + step(n), 0)
      ) {
        q.delete(t);
        fill(t, x)
      }
    }
  });

  // A browser that fills places by itself has filled the first one, and its template is gone.
  if (d.querySelector("template[for=tailrace]")) {
    o.observe(d, {childList: 1, subtree: 1});
    walk(d)
  }
  s.remove();

  // Templates that are left over stand elsewhere than their place, or before it.
  addEventListener("DOMContentLoaded", () => {
    o.disconnect();
    walk(d);
    for (let [t, x] of q)
      fill(t, x) || fill(t, x, 1) && console.warn("tailrace: not near its place: " + x)
  })
})(document, document.currentScript)
