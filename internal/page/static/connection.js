'use strict';
// Texts of the project (names, logs, errors) are put on the page by text() alone: as text, never as markup.

const $ = id => document.getElementById(id);
const SVG = 'http://www.w3.org/2000/svg';

// text shows what has no shape, or turns the direction of writing, in the notation of Go's strings.
function text(value) {
  return String(value ?? '').slice(0, 4096).replace(/[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu, c =>
    '\\u' + c.codePointAt(0).toString(16).padStart(4, '0')).replace(/(\p{M}{6})\p{M}+/gu, '$1');
}
function set(element, value) { const t = text(value); if (element.textContent !== t) element.textContent = t; }
function attributes(element, all) {
  for (const [name, value] of Object.entries(all || {})) {
    if (value === undefined || value === null) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
  return element;
}
function make(tag, all, ...inside) {
  const element = attributes(document.createElement(tag), all);
  element.append(...inside.map(i => i instanceof Node ? i : text(i)));
  return element;
}
function draw(tag, all, inside) {
  const element = attributes(document.createElementNS(SVG, tag), all);
  if (inside !== undefined) element.append(text(inside));
  return element;
}

// How figures are written.
const clock = time => new Date(time).toLocaleTimeString();
const day = time => new Date(time).toLocaleString([], { month: 'short', day: 'numeric', hour: '2-digit', minute: '2-digit' });
const percent = n => (n < 10 ? n.toFixed(1) : n.toFixed(0)) + ' %';
const milliseconds = n => (n < 10 ? n.toFixed(1) : n.toFixed(0)) + ' ms';
function bytes(n) {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return (i === 0 || n >= 100 ? n.toFixed(0) : n.toFixed(1)) + ' ' + units[i];
}
function duration(seconds) {
  if (seconds < 100) return Math.max(0, Math.floor(seconds)) + ' s';
  if (seconds < 6000) return Math.floor(seconds / 60) + ' min';
  if (seconds < 172800) return Math.floor(seconds / 3600) + ' h';
  return Math.floor(seconds / 86400) + ' d';
}

// The connection. The token came in the address's fragment, which no browser sends. It is kept for a reload while the
// server is there, and sent only after the server has proved that it has it too.
let token = '', lastEvent = '', lostAt = 0, current = null, run = 0, snapshot = null;

function takeToken(from) {
  const found = /(?:^|[#&?]token=)([0-9a-f]{64})(?:$|[&\s])/.exec(from.trim());
  return found ? found[1] : '';
}
function hex(buffer) { return [...new Uint8Array(buffer)].map(b => b.toString(16).padStart(2, '0')).join(''); }

async function proved() {
  if (!crypto.subtle) return true; // an address that is no loopback's, in plain HTTP: browsers don't offer it there
  const nonce = hex(crypto.getRandomValues(new Uint8Array(32)));
  const answer = await fetch('/snapshot.json', { method: 'HEAD', headers: { 'Compose-Mage-Nonce': nonce } });
  const encode = t => new TextEncoder().encode(t);
  const key = await crypto.subtle.importKey('raw', encode(token), { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const want = hex(await crypto.subtle.sign('HMAC', key, encode(nonce + '\n' + location.host)));
  return answer.headers.get('Compose-Mage-Proof') === want;
}

function ask(path, headers) {
  return fetch(path, { headers: { Authorization: 'Bearer ' + token, ...headers }, signal: current.signal });
}

function say(words, live) {
  set($('state'), words);
  $('state').className = live ? 'live' : 'lost';
}

function lost(words) {
  sessionStorage.removeItem('token');
  lostAt ||= Date.now();
  say((snapshot ? 'Not connected since ' + clock(lostAt) + '. ' : '') + words, false);
}

async function connect() {
  const mine = ++run;
  for (let wait = 1000; mine === run; wait = Math.min(wait * 1.5, 8000)) {
    current = new AbortController();
    try {
      if (!await proved()) {
        lost('The server at this address has another token: it was started anew. Open the address that it has printed.');
        $('ask').hidden = false;
      } else if (await follow()) {
        wait = 1000;
      }
    } catch (error) {
      lost('Trying again. Is go tool mage monitor -serve running?');
    }
    if (mine === run) await new Promise(done => setTimeout(done, wait));
  }
}

// follow reads the events until they end. A server that is silent for longer than its heartbeat is gone.
async function follow() {
  const answer = await ask('/events', lastEvent ? { 'Last-Event-ID': lastEvent } : {});
  if (!answer.ok) {
    lost(answer.status === 503 ? 'Too many pages are open: the server refuses more.' : 'The server refuses the token.');
    return false;
  }
  const mine = current;
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '', silent;
  try {
    for (;;) {
      clearTimeout(silent);
      silent = setTimeout(() => mine.abort(), 30000);
      const { value, done } = await reader.read();
      if (done) break;
      const events = (rest + value).split('\n\n');
      rest = events.pop();
      for (const event of events) receive(event);
      connected();
    }
  } finally {
    clearTimeout(silent);
  }
  lost('Trying again. Is go tool mage monitor -serve running?');
  return true;
}

function connected() {
  if ($('state').className === 'live') return;
  lostAt = 0;
  sessionStorage.setItem('token', token);
  say('Live', true);
  $('ask').hidden = true;
  $('content').hidden = false;
  loadTimelines();
}

function receive(event) {
  const fields = {};
  for (const line of event.split('\n')) {
    const at = line.indexOf(': ');
    if (at > 0) fields[line.slice(0, at)] = line.slice(at + 2);
  }
  if (fields.id) lastEvent = fields.id;
  if (!fields.data) return;
  const data = JSON.parse(fields.data);
  if (fields.event === 'snapshot') return show(data);
  if (fields.event === 'reset') {
    $('logs').hidden = !data.logs;
    loadHistory();
  }
  $('engine').hidden = !data.engine;
  set($('engine'), data.engine && 'The engine can\u2019t be asked: ' + data.engine);
}

