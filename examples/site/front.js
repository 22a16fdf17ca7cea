"use strict";
// The live streams of the front door: <live-stream> runs one when it arrives in the page.

const STREAMS_MAX = 4; // A browser opens six connections to a host; this page is one of them.

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

customElements.define("live-stream", LiveStream);
customElements.define("copy-text", CopyText);
