"use strict";
// <arrival-line for="ID"> draws when the page in a frame has changed; all of them have one scale.

const STEP_MS = 40; // Changes so close to each other are one mark.
const SPAN_MS = 3000; // The shortest time that is drawn.
const lines = [];

const now = () => performance.timeOrigin + performance.now();
const inS = (ms) => `${(ms / 1000).toFixed(1)} s`;
const isSeen = (node) => node.nodeType === Node.ELEMENT_NODE || (node.nodeType === Node.TEXT_NODE && node.data.trim());

class ArrivalLine extends HTMLElement {
  connectedCallback() {
    this.innerHTML = `<svg viewBox="0 0 1000 14" preserveAspectRatio="none" role="img">
      <path class="marks"/><path class="end"/></svg><p></p>`;
    this.wait();
    lines.push(this);
  }

  wait() {
    this.page = this.end = null;
    this.start = now();
    this.marks = [];
  }

  // A document is seen in the frame that follows its begin; what is in it by then is one change.
  look() {
    this.frame ??= document.getElementById(this.getAttribute("for"));
    const page = this.frame?.contentDocument;
    if (!page?.body || page === this.page || page.URL === "about:blank") return;
    this.wait();
    this.page = page;
    this.start = page.defaultView.performance.timeOrigin;
    this.mark();
    const observer = new MutationObserver((records) => {
      if (records.some((record) => record.type !== "childList" || [...record.addedNodes].some(isSeen))) this.mark();
    });
    observer.observe(page, { childList: true, subtree: true, characterData: true, attributeFilter: ["value"] });
    const end = () => (this.end = now() - this.start);
    if (page.readyState === "complete") end();
    else page.defaultView.addEventListener("load", end);
    page.defaultView.addEventListener("pagehide", () => this.wait());
  }

  mark() {
    const time = now() - this.start;
    if (!(time - this.marks.at(-1) < STEP_MS)) this.marks.push(time);
  }

  lasts() {
    return this.end === null ? now() - this.start : Math.max(this.end, this.marks.at(-1));
  }

  draw(span) {
    const x = (time) => ((time / span) * 1000).toFixed(1);
    const [first] = this.marks;
    const state = first === undefined ? "waiting" : this.end === null ? "arriving" : "complete";
    const count = `${this.marks.length} update${this.marks.length === 1 ? "" : "s"}`;
    const told = { waiting: "", arriving: `first ${inS(first)}, ${count}`, complete: `${inS(this.end)}, first ${inS(first)}, ${count}` };
    this.className = state;
    this.show(this.querySelector(".marks"), this.marks.map((time) => `M${x(time)} 2V14`).join(""));
    this.show(this.querySelector(".end"), this.end === null ? `M${x(this.lasts())} 14` : `M${x(this.end)} 0V14`);
    const text = this.lastChild;
    if (text.textContent === `${state} ${told[state]}`) return;
    text.textContent = ` ${told[state]}`;
    text.prepend(Object.assign(document.createElement("b"), { textContent: state }));
    this.firstChild.setAttribute("aria-label", text.textContent);
  }

  show(path, d) {
    if (path.getAttribute("d") !== d) path.setAttribute("d", d);
  }
}

function step() {
  for (const line of lines) line.look();
  const span = Math.max(SPAN_MS, ...lines.map((line) => line.lasts())) * 1.02;
  for (const line of lines) line.draw(span);
  requestAnimationFrame(step);
}

customElements.define("arrival-line", ArrivalLine);
requestAnimationFrame(step);
