// The page as React streams it: a boundary for each part, done at the times of the plan.
//
// `node react.mjs NODE_MODULES` serves it, and prints the port.
import { createServer } from 'node:http';
import { createRequire } from 'node:module';

const require = createRequire(`${process.argv[2]}/`);
const { createElement, Suspense, use } = require('react');
const { renderToPipeableStream } = require('react-dom/server');
const plan = JSON.parse(process.env.TAILRACE_BENCH_PLAN);
const FIRST_MS = 100;

function Table({ number, ready }) {
  const readyMs = use(ready);
  const { title, rows } = plan.tables[number];
  const row = (cells, key) =>
    createElement('tr', { key }, cells.map((cell, key) => createElement('td', { key }, cell)));
  return createElement('table', { 'data-ready': readyMs.toFixed(3) },
    createElement('caption', { elementtiming: `t${number}` }, title),
    createElement('tbody', null, rows.map(row)));
}

function Page({ ready }) {
  const fallback = createElement('p', null, '…');
  const part = (promise, number) => createElement(Suspense, { key: number, fallback },
    createElement(Table, { number, ready: promise }));
  const raw = (html) => ({ dangerouslySetInnerHTML: { __html: html } });
  return createElement('html', { lang: 'en' },
    createElement('head', null, createElement('meta', { charSet: 'utf-8' }),
      createElement('title', null, 'Sales'),
      createElement('link', { rel: 'icon', href: 'data:,' }), createElement('style', raw(plan.style)),
      createElement('script', raw(plan.script))),
    createElement('body', null, createElement('main', null, ready.map(part))));
}

// Promises of the first parts, which get done in the order of the plan.
function released(parts, apartMs) {
  const done = [];
  const ready = Array.from({ length: parts }, () => new Promise((resolve) => done.push(resolve)));
  plan.order.filter((number) => number < parts).forEach((number, turn) => {
    const set = () => done[number](performance.timeOrigin + performance.now());
    setTimeout(set, FIRST_MS + turn * apartMs);
  });
  return ready;
}

const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  if (pathname !== '/') {
    response.writeHead(404).end();
    return;
  }
  const ready = released(Number(searchParams.get('parts')), Number(searchParams.get('apart_ms')));
  const { pipe } = renderToPipeableStream(createElement(Page, { ready }), {
    onShellReady() {
      response.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      pipe(response);
    },
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
