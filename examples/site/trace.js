"use strict";
// The picture of a stream, and what a streamed page draws of itself: <page-part> notes its own
// arrival, <page-stream> draws all of them.

const CLOCK_SLACK_MS = 2; // Time stamps are rounded; a delay below minus this means two clocks.

// performance.now() is finer than Date.now(), but drifts from the wall clock that the functions
// read. One tick of Date.now() puts it right again.
let epoch = 0;
function setClock() {
  const begin = performance.now();
  const tick = Date.now();
  while (Date.now() === tick && performance.now() - begin < 5);
  epoch = Date.now() - performance.now();
}
setClock();
const now = () => epoch + performance.now();

const median = (values) => [...values].sort((a, b) => a - b)[values.length >> 1];
const inMs = (ms) => (ms < 0.1 ? "< 0.1 ms" : ms < 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(0)} ms`);
const inS = (ms) => `${(ms / 1000).toFixed(1)} s`;

function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

// The picture of a stream: chunks fall from the rail of the function to the rail of the browser;
// below, a bar for each delay. x is time since the request, 0 to 1000 in the drawing.
class Trace {
  static markup = `<svg viewBox="0 0 1000 116" preserveAspectRatio="none" role="img">
    <line class="rail" x1="0" x2="1000" y1="14" y2="14"/><line class="rail" x1="0" x2="1000" y1="50" y2="50"/>
    <line class="rail" x1="0" x2="1000" y1="115" y2="115"/><line class="limit" x1="0" x2="1000" y1="75" y2="75"/>
    <path class="fall"/><path class="bars"/><path class="cursor"/><path class="cut"/></svg>
    <span class="at-write">written</span><span class="at-arrival">arrived</span><span class="scale"></span>`;

  constructor(host, spanMs, isFirstApart = false) {
    this.box = make("div", "trace");
    this.box.innerHTML = Trace.markup;
    this.axis = make("div", "axis");
    this.axis.append(make("span", "", "0 s"), make("span"));
    host.append(this.box, this.axis);
    this.spanAtFirst = spanMs;
    this.isFirstApart = isFirstApart;
    this.begin(now());
  }

  begin(start) {
    this.start = start;
    this.chunks = [];
    this.span = this.spanAtFirst;
    this.skew = 0;
    for (const name of ["cursor", "cut"]) this.draw(name, "");
    this.render();
  }

  add(written, arrived) {
    const delay = arrived - written;
    this.chunks.push({ written, arrived, delay });
    // Two machines, two clocks: what remains is how much later than the fastest chunk each one was.
    if (delay < -CLOCK_SLACK_MS || this.skew) this.skew = Math.min(...this.chunks.map((chunk) => chunk.delay));
    this.render();
    return this.delayOf(this.chunks.at(-1));
  }

  delayOf(chunk) {
    return Math.max(0, chunk.delay - this.skew);
  }

  // The delays that are compared: of a page, all but the first, which has the browser's set-up in it.
  compared() {
    return this.chunks.slice(this.isFirstApart && this.chunks.length > 1 ? 1 : 0).map((chunk) => this.delayOf(chunk));
  }

  x(time) {
    return Math.max(0, ((time - this.start) / this.span) * 1000).toFixed(1);
  }

  render() {
    const last = this.chunks.length ? this.chunks.at(-1).arrived - this.start : 0;
    if (last > this.span) this.span = last * 1.15;
    const delays = this.chunks.map((chunk) => this.delayOf(chunk));
    const slowest = Math.max(0, ...this.compared());
    const tops = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000];
    const scale = tops.find((top) => top >= slowest) ?? Math.ceil(slowest / 60_000) * 60_000;
    // A bar beyond the scale, which only the first can be, has a gap below its top.
    const bar = (delay) => (delay > scale ? "V84M~ 80V75" : `V${(115 - Math.max(1.5, (delay / scale) * 40)).toFixed(1)}`);
    this.draw("fall", this.chunks.map((chunk) => `M${this.x(chunk.written + this.skew)} 14L${this.x(chunk.arrived)} 50`).join(""));
    const bars = this.chunks.map((chunk, i) => `M~ 115${bar(delays[i])}`.replaceAll("~", this.x(chunk.arrived)));
    this.draw("bars", bars.join(""));
    const first = delays[0] > scale ? ` (first ${inMs(delays[0])})` : "";
    this.box.querySelector(".scale").textContent = this.chunks.length ? `delay, up to ${scale} ms${first}` : "delay";
    this.axis.lastChild.textContent = inS(this.span);
    this.box.firstChild.setAttribute("aria-label", this.chunks.length ? this.summary() : "no chunk yet");
  }

  draw(name, path) {
    this.box.querySelector(`.${name}`).setAttribute("d", path);
  }

  mark(name, time = now()) {
    if (time - this.start > this.span) {
      if (name === "cursor") return;
      this.span = (time - this.start) * 1.05; // how a response ended is never beyond the edge
      this.render();
    }
    this.draw(name, `M${this.x(time)} 6V115`);
  }

  summary() {
    const delays = this.compared();
    const against = this.skew ? " behind the fastest one: the clocks differ" : "";
    return `median delay ${inMs(median(delays))}, slowest ${inMs(Math.max(...delays))}${against}`;
  }

  follow(isOn) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const step = () => {
      if (!isOn()) return this.draw("cursor", "");
      this.mark("cursor");
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }
}

// This page is a stream as well: each part brings the time at which it was written.

let page = null;

class PageStream extends HTMLElement {
  connectedCallback() {
    page = this;
    this.isArriving = true;
    this.trace = new Trace(this, 2600, true);
    this.trace.begin(epoch);
    this.status = make("p", "status");
    const foot = make("div", "foot");
    foot.append(this.status);
    this.append(foot);
    this.classList.add("running");
    this.trace.follow(() => this.isArriving);
    addEventListener("load", () => this.end());
  }

  add(written, arrived) {
    this.trace.add(written, arrived);
    this.show("arriving");
  }

  end() {
    this.isArriving = false;
    this.classList.remove("running");
    this.status.setAttribute("role", "status");
    this.show(this.trace.chunks.length < this.getAttribute("parts") ? "incomplete" : "complete");
  }

  show(state) {
    const { chunks, start } = this.trace;
    const first = inMs(this.trace.delayOf(chunks[0]));
    this.status.textContent = "";
    this.status.append(
      make("b", "", state),
      ` ${chunks.length} of ${this.getAttribute("parts")} parts in ${inS(chunks.at(-1).arrived - start)}: ${this.trace.summary()}`,
      ` (the first ${first}: it includes the browser setting up the page)`,
    );
  }
}

class PagePart extends HTMLElement {
  connectedCallback() {
    page?.add(Number(this.getAttribute("written")), now());
  }
}

customElements.define("page-stream", PageStream);
customElements.define("page-part", PagePart);
