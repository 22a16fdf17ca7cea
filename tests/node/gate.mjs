// Where an invocation waits until the test lets it go on: the function's side of tests/e2e/gate.py.
import net from "node:net";

// The parameters of the client's request, in an event of any path.
export function query({ rawQueryString, url = "" }) {
  return new URLSearchParams(rawQueryString ?? url.split("?")[1]);
}

export class Gate {
  #socket;
  #opened;

  constructor(event) {
    this.#socket = net.connect(Number(query(event).get("gate")), "127.0.0.1");
    this.#opened = this.#read();
  }

  async wait() {
    if ((await this.#opened.next()).done) throw new Error("the test has left");
  }

  tell(line) {
    this.#socket.write(`${line}\n`);
  }

  close() {
    this.#socket.destroy();
  }

  async *#read() {
    for await (const data of this.#socket) {
      for (const _ of data) yield;
    }
  }
}
