"use strict";
// Custom elements, so that each part of the page comes to life when it arrives:
// <page-part> notes its own arrival, <page-stream> draws them, <live-stream> runs a stream.
(() => {
  const STREAMS_MAX = 4; // A browser opens six connections to a host; this page is one of them.
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

  // A stream of its own: lines of text by fetch, or server-sent events by EventSource.

  const waiting = [];
  let running = 0;

  function takeTurn() {
    if (running < STREAMS_MAX) return void running++;
    return new Promise((resolve) => waiting.push(resolve));
  }

  function passTurn() {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }

  class LiveStream extends HTMLElement {
    connectedCallback() {
      this.trace = new Trace(this, Number(this.getAttribute("seconds")) * 1000);
      this.output = make("div", "output");
      this.status = make("p", "status");
      this.button = make("button", "", "Stop");
      this.button.type = "button";
      this.button.addEventListener("click", () => (this.leaving ? this.leave() : this.run()));
      const foot = make("div", "foot");
      foot.append(this.status, this.button);
      this.append(this.output, foot);
      if (this.getAttribute("needs") === "missing") return this.lack();
      this.run();
    }

    lack() {
      this.status.innerHTML = "<b>needs Node.js</b>: install it and start the demo again";
      this.button.remove();
    }

    async run() {
      this.button.disabled = true;
      this.say("waiting", "for a free connection");
      await takeTurn();
      this.output.textContent = "";
      this.leaving = new AbortController();
      this.button.textContent = "Stop";
      this.button.disabled = false;
      this.className = "running";
      this.status.removeAttribute("role"); // Read out how it ended, not every chunk.
      setClock();
      this.trace.begin(now());
      this.trace.follow(() => this.leaving);
      this.say("waiting", "for the first chunk");
      const ending = await (this.getAttribute("format") === "events" ? this.runEvents() : this.runLines());
      this.leaving = null;
      this.button.textContent = "Run again";
      this.className = ending.state === "broken off" ? "broken" : "";
      this.conclude(ending);
      passTurn();
    }

    leave() {
      this.leaving.abort();
    }

    conclude({ state, why }) {
      const count = this.trace.chunks.length;
      this.status.setAttribute("role", "status");
      if (state === "broken off") {
        this.trace.mark("cut");
        this.output.append(make("p", "lost", why));
      }
      const after = `${count} chunk${count === 1 ? "" : "s"} in ${inS(now() - this.trace.start)}`;
      this.say(state, count ? `${after}: ${this.trace.summary()}` : why || after);
    }

    say(state, text) {
      this.status.textContent = "";
      this.status.append(make("b", "", state), ` ${text}`);
    }

    chunkIn(written, arrived) {
      const delay = this.trace.add(written, arrived);
      const count = this.trace.chunks.length;
      this.say("streaming", `${count} chunk${count === 1 ? "" : "s"}: ${this.trace.summary()}`);
      return delay;
    }

    async runLines() {
      const rows = this.output.appendChild(make("ol", "rows"));
      try {
        const response = await fetch(this.getAttribute("src"), { signal: this.leaving.signal, cache: "no-store" });
        if (!response.ok) return { state: `${response.status}`, why: await response.text() };
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        for (let text = ""; ; ) {
          const { value, done } = await reader.read();
          const arrived = now();
          if (done) return { state: "complete" };
          const lines = (text + value).split("\n");
          text = lines.pop();
          for (const line of lines) this.addRow(rows, line, arrived);
        }
      } catch (error) {
        if (error.name === "AbortError") return { state: "left", why: "before the first chunk" };
        return { state: "broken off", why: "The connection was cut: this response is not complete, and your browser knows." };
      }
    }

    addRow(rows, line, arrived) {
      const [, text, time] = /^(.*), written at ([\d:.]+)$/.exec(line) ?? [, line, null];
      const delay = time && this.chunkIn(instant(time, arrived), arrived);
      const row = make("li");
      row.append(make("span", "", text), make("span", "when", time ? time.slice(0, 12) : ""), make("span", "delay", time ? inMs(delay) : ""));
      rows.append(row);
    }

    runEvents() {
      const prose = this.output.appendChild(make("p", "prose"));
      const source = new EventSource(this.getAttribute("src"));
      return new Promise((resolve) => {
        const end = (ending) => {
          source.close();
          resolve(ending);
        };
        source.onmessage = (event) => {
          const arrived = now();
          const { token, written_at } = JSON.parse(event.data);
          this.chunkIn(written_at * 1000, arrived);
          prose.append(token);
        };
        // The function says when it is done. Without close() the browser would ask once more, and
        // be told by a 204 that there is nothing to come.
        source.addEventListener("done", () => end({ state: "complete" }));
        source.onerror = () => end({ state: "broken off", why: "The stream ended without its last event." });
        this.leaving.signal.addEventListener("abort", () => end({ state: "left", why: "before the first token" }));
      });
    }
  }

  // A line carries a time of day in UTC; the day is the one nearest to its arrival.
  function instant(time, arrived) {
    const [hours, minutes, seconds] = time.split(":").map(Number);
    const day = 86_400_000;
    const at = Math.floor(arrived / day) * day + (hours * 3600 + minutes * 60 + seconds) * 1000;
    return at + Math.round((arrived - at) / day) * day;
  }

  class CopyText extends HTMLElement {
    connectedCallback() {
      // The parser has not come to the command yet; the style sheet puts the button behind it.
      const button = make("button", "", "Copy");
      button.type = "button";
      button.setAttribute("aria-label", "Copy the command");
      button.addEventListener("click", () => this.copy(button));
      this.append(button);
    }

    async copy(button) {
      const code = this.querySelector("code");
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => (button.textContent = "Copy"), 1500);
    }
  }

  customElements.define("page-stream", PageStream);
  customElements.define("page-part", PagePart);
  customElements.define("live-stream", LiveStream);
  customElements.define("copy-text", CopyText);
})();
