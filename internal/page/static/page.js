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
  loadStart();
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

// Tables. Rows and cells stay the elements that they are, so that focus and selection stay where they are.
function head(table, columns, sort) {
  const row = table.tHead.rows[0];
  for (const [i, column] of columns.entries()) {
    const cell = make('th', { scope: 'col', class: column.text ? 'text' : null });
    if (sort) {
      const button = make('button', { type: 'button' }, column.name);
      button.onclick = () => sort(i);
      cell.append(button);
    } else {
      cell.append(column.name);
    }
    row.append(cell);
  }
}
function fill(table, rows) {
  const body = table.tBodies[0], old = new Map([...body.rows].map(r => [r.dataset.key, r]));
  const focused = document.activeElement;
  for (const [i, { key, cells }] of rows.entries()) {
    let row = old.get(key);
    if (row) old.delete(key);
    else {
      row = make('tr', { 'data-key': key });
      row.append(...cells.map((c, n) => make(n ? 'td' : 'th', n ? {} : { scope: 'row' })));
      if (cells[0].press) {
        const button = make('button', { type: 'button' });
        button.onclick = cells[0].press;
        row.cells[0].append(button);
      }
    }
    for (const [n, cell] of cells.entries()) {
      set(n || !cell.press ? row.cells[n] : row.cells[n].firstChild, cell.text ?? cell);
      attributes(row.cells[n], { class: cell.class || null });
    }
    if (body.rows[i] !== row) body.insertBefore(row, body.rows[i] || null);
  }
  for (const row of old.values()) row.remove();
  if (focused !== document.activeElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

const high = (n, shown) => ({ text: shown, class: n >= 90 ? 'bad' : n >= 75 ? 'warn' : '' });
const runs = r => r.state === 'running';
const columns = [
  { name: 'Service', by: r => r.service + r.container, cell: r => ({ text: r.service + (r.orphan ? ' (orphan)' : ''), press: () => choose(r.service) }) },
  { name: 'State', text: true, by: r => stateOf(r).text, cell: r => stateOf(r) },
  { name: 'CPU', by: r => r.cpu_percent, cell: r => runs(r) ? percent(r.cpu_percent) : '\u2013' },
  { name: 'Of limit', by: r => r.cpu_limit_cores ? r.cpu_percent_of_limit : -1, cell: r => runs(r) && r.cpu_limit_cores ? high(r.cpu_percent_of_limit, percent(r.cpu_percent_of_limit) + ' of ' + +r.cpu_limit_cores.toFixed(2)) : '\u2013' },
  { name: 'Memory', by: r => r.memory_used_bytes, cell: r => runs(r) ? bytes(r.memory_used_bytes) : '\u2013' },
  { name: 'Of limit', by: r => r.memory_percent, cell: r => runs(r) && r.memory_limit_bytes ? high(r.memory_percent, percent(r.memory_percent) + ' of ' + bytes(r.memory_limit_bytes)) : '\u2013' },
  { name: 'Response', by: r => r.response?.ms || 0, cell: r => r.response?.error ? { text: 'none', class: 'bad' } : r.response?.ms ? milliseconds(r.response.ms) : '\u2013' },
  { name: 'Check', by: r => r.health_check_ms, cell: r => r.health_check_ms ? milliseconds(r.health_check_ms) : '\u2013' },
  { name: 'Restarts', by: r => r.restarts, cell: r => ({ text: r.restarts, class: r.restarts ? 'warn' : '' }) },
  { name: 'OOM kills', by: r => r.oom_kills, cell: r => ({ text: r.oom_kills, class: r.oom_kills ? 'bad' : '' }) },
  { name: 'Up', by: r => runs(r) ? -Date.parse(r.started) : 0, cell: r => runs(r) ? duration((Date.parse(snapshot.time) - Date.parse(r.started)) / 1000) : '\u2013' },
];
let order = { column: 0, down: false };

function stateOf(r) {
  const v = r.verdict || {};
  let words = v.condition === 'looping' ? 'restarting' : runs(r) && r.health ? r.health : v.condition === 'done' ? 'done' :
    r.state === 'exited' ? 'exited (' + r.last_exit_code + ')' : r.state;
  const bad = r.error || !v.fine && r.expected || ['unhealthy', 'looping', 'surplus'].includes(v.condition);
  return { text: words, class: 'text ' + (bad ? 'bad' : r.health === 'starting' ? 'warn' : v.condition === 'healthy' ? 'good' : '') };
}

function sortBy(column) {
  order = { column, down: order.column === column && !order.down };
  showServices();
}

function showServices() {
  const by = columns[order.column].by, sign = order.down ? -1 : 1;
  const all = [...snapshot.services].sort((a, b) => {
    const x = by(a), y = by(b);
    return sign * (typeof x === 'string' ? x.localeCompare(y) : x - y) || a.service.localeCompare(b.service);
  });
  const seen = new Map();
  fill($('services'), all.map(r => {
    const name = r.id || r.service + ' ' + r.state, n = seen.get(name) || 0;
    seen.set(name, n + 1);
    return { key: name + ' ' + n, cells: columns.map(c => c.cell(r)) };
  }));
  [...$('services').tHead.rows[0].cells].forEach((cell, i) => attributes(cell, {
    'aria-sort': i !== order.column ? 'none' : order.down ? 'descending' : 'ascending',
  }));
}

// Findings.
function showFindings() {
  const list = $('findings'), all = snapshot.findings || [];
  const old = new Map([...list.children].map(e => [e.dataset.key, e]));
  const news = [];
  for (const [i, f] of all.entries()) {
    const key = JSON.stringify([f.id, f.subjects, f.remedy]);
    let item = old.get(key);
    if (item) old.delete(key);
    else {
      news.push(f.evidence);
      item = make('li', { 'data-key': key, class: f.severity }, make('p', {}, make('b', {}, f.severity), ' ', make('span')));
      if (f.remedy) {
        const copy = make('button', { type: 'button', 'aria-label': 'Copy what to do about: ' + text(f.evidence) }, 'Copy');
        copy.onclick = () => copied(copy, f.remedy);
        item.append(make('div', { class: 'remedy' }, make('code', {}, f.remedy), copy));
      }
    }
    set(item.querySelector('span'), f.evidence);
    if (list.children[i] !== item) list.insertBefore(item, list.children[i] || null);
  }
  const gone = [...old.values()].map(e => { e.remove(); return e.querySelector('span').textContent; });
  $('fine').hidden = all.length > 0;
  if (news.length) set($('news'), 'New: ' + news.join('; '));
  else if (gone.length) set($('news'), 'No longer: ' + gone.join('; '));
}
async function copied(button, remedy) {
  try {
    await navigator.clipboard.writeText(remedy);
    set(button, 'Copied');
  } catch {
    getSelection().selectAllChildren(button.previousSibling);
    set(button, 'Selected');
  }
  setTimeout(() => set(button, 'Copy'), 2000);
}

// Charts of one service.
const charts = [
  { id: 'cpu', title: 'CPU, percent of one core', metric: 'cpu_percent', of: r => r.cpu_percent, write: percent, limit: r => r.cpu_limit_cores * 100 },
  { id: 'memory', title: 'Memory', metric: 'memory_working_set_bytes', of: r => r.memory_used_bytes, write: bytes, limit: r => r.memory_limit_bytes, powers: 1024 },
  { id: 'response', title: 'Response of the service', metric: 'response_ms', of: r => r.response?.ms, write: milliseconds },
  { id: 'check', title: 'Time of the health check', metric: 'health_check_ms', of: r => r.health_check_ms, write: milliseconds },
];
let chosen = '', series = {}; // series by the metric's name: [[seconds, min, mean, max]]

function choose(service) {
  chosen = service;
  $('service').value = service;
  $('charts-h').scrollIntoView({ behavior: matchMedia('(prefers-reduced-motion: reduce)').matches ? 'auto' : 'smooth' });
  $('service').focus({ preventScroll: true });
  loadHistory();
}

async function loadHistory() {
  if (!chosen) return;
  const service = chosen, span = $('span').value;
  series = {};
  drawCharts();
  try {
    const answer = await ask('/history.json?service=' + encodeURIComponent(service) + '&span=' + span);
    if (answer.ok && service === chosen && span === $('span').value) series = await answer.json();
  } catch { /* the connection says so */ }
  drawCharts();
  loadLogs();
}

function addPoints() {
  const names = [...new Set(snapshot.services.map(r => r.service))].sort();
  if (names.join('\n') !== [...$('service').options].map(o => o.value).join('\n')) {
    if (!names.includes(chosen)) chosen = '';
    $('service').replaceChildren(...names.map(n => make('option', { value: n }, n)));
  }
  if (!chosen && names.length) {
    chosen = names[0];
    loadHistory();
  }
  $('service').value = chosen;
  const mine = snapshot.services.filter(r => r.service === chosen && runs(r)), at = Date.parse(snapshot.time) / 1000;
  for (const chart of charts) {
    const values = mine.map(chart.of).filter(v => v !== undefined && (v > 0 || chart.limit));
    if (!values.length) continue;
    const points = series[chart.metric] ||= [], n = Math.max(...values);
    if (!points.length || points[points.length - 1][0] < at) points.push([at, n, n, n]);
  }
  const r = mine[0];
  for (const chart of charts) chart.most = r && chart.limit ? chart.limit(r) : 0;
  set($('facts'), !r ? 'It does not run.' : (r.cpu_limit_cores ? 'CPU limit ' + +r.cpu_limit_cores.toFixed(2) : 'No CPU limit') +
    ', ' + (r.memory_limit_bytes ? 'memory limit ' + bytes(r.memory_limit_bytes) : 'no memory limit') +
    (r.response?.of ? ', asked at ' + r.response.of : '') + (r.response?.error ? ': ' + r.response.error : '') +
    (r.health_output ? '. Its health check said: ' + r.health_output : ''));
  drawCharts();
}

// steps gives round numbers from 0 to at least most.
function steps(most, powers) {
  if (powers && most > 0) {
    const unit = powers ** Math.floor(Math.log(most) / Math.log(powers));
    return steps(most / unit).map(v => v * unit);
  }
  const raw = most / 4 || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find(n => n * power >= raw) * power;
  const all = [];
  for (let i = 0; i * step < most + step * .999 && i < 6; i++) all.push(i * step);
  return all;
}

function drawCharts() {
  const to = snapshot ? Date.parse(snapshot.time) / 1000 : Date.now() / 1000, span = +$('span').value;
  for (const chart of charts) {
    let figure = $('chart-' + chart.id);
    if (!figure) {
      const rows = make('tbody'), details = make('details', {}, make('summary', {}, 'Numbers: ' + chart.title));
      const titles = ['Time', 'Least', 'Mean', 'Most'].map(t => make('th', { scope: 'col' }, t));
      details.append(make('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': 'Numbers: ' + chart.title },
        make('table', {}, make('thead', {}, make('tr', {}, ...titles)), rows)));
      details.ontoggle = drawCharts;
      figure = make('figure', { id: 'chart-' + chart.id }, make('figcaption', {}, chart.title),
        make('div', { class: 'plot' }), details);
      $('figures').append(figure);
    }
    const points = (series[chart.metric] || []).filter(p => p[0] >= to - span);
    figure.hidden = !points.length && !chart.limit;
    figure.querySelector('.plot').replaceChildren(plot(chart, points, to - span, to, figure.clientWidth || 300));
    const details = figure.querySelector('details');
    if (details.open) {
      fill(details.querySelector('table'), bins(points, 60).reverse().map(p =>
        ({ key: String(p[0]), cells: [day(p[0] * 1000), ...p.slice(1).map(chart.write)] })));
    }
  }
}

// bins joins points until there are at most so many.
function bins(points, most) {
  const size = Math.ceil(points.length / most), out = [];
  for (let i = 0; i < points.length; i += size) {
    const some = points.slice(i, i + size);
    out.push([some[0][0], Math.min(...some.map(p => p[1])), some.reduce((sum, p) => sum + p[2], 0) / some.length,
      Math.max(...some.map(p => p[3]))]);
  }
  return out;
}

function plot(chart, all, from, to, width) {
  const height = 170, left = 58, right = 8, top = 18, bottom = 24;
  const points = bins(all, 400), last = points[points.length - 1], most = Math.max(chart.most || 0, ...points.map(p => p[3]));
  const ticks = steps(most, chart.powers), up = ticks[ticks.length - 1] || 1;
  const x = t => left + (width - left - right) * (t - from) / (to - from), y = v => top + (height - top - bottom) * (1 - v / up);
  const svg = draw('svg', { viewBox: '0 0 ' + width + ' ' + height, height, role: 'img', 'aria-label': text(chart.title + ' of ' + chosen + ': ' +
    (last ? 'now ' + chart.write(last[2]) + ', least ' + chart.write(Math.min(...points.map(p => p[1]))) + ', most ' +
      chart.write(Math.max(...points.map(p => p[3]))) : 'nothing was measured')) });
  for (const v of ticks) {
    svg.append(draw('line', { class: 'grid', x1: left, x2: width - right, y1: y(v), y2: y(v) }),
      draw('text', { x: left - 6, y: y(v) + 4, 'text-anchor': 'end' }, chart.write(v)));
  }
  const marks = width < 420 ? 2 : 4;
  for (let i = 0; i <= marks; i++) {
    const t = from + (to - from) * i / marks, anchor = i === 0 ? 'start' : i === marks ? 'end' : 'middle';
    svg.append(draw('text', { x: x(t), y: height - 6, 'text-anchor': anchor }, to - from > 90000 ? day(t * 1000).replace(/,.*/, '') :
      new Date(t * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })));
  }
  if (chart.most) svg.append(draw('line', { class: 'limit', x1: left, x2: width - right, y1: y(chart.most), y2: y(chart.most) }),
    draw('text', { x: width - right, y: y(chart.most) - 4, 'text-anchor': 'end' }, 'limit'));
  for (const part of parts(points, (to - from) / 30)) {
    const line = part.map(p => x(p[0]).toFixed(1) + ',' + y(p[2]).toFixed(1));
    svg.append(draw('polygon', { class: 'band', points: [...part.map(p => x(p[0]).toFixed(1) + ',' + y(p[3]).toFixed(1)),
      ...part.map(p => x(p[0]).toFixed(1) + ',' + y(p[1]).toFixed(1)).reverse()].join(' ') }));
    svg.append(part.length > 1 ? draw('polyline', { class: 'mean', points: line.join(' ') }) :
      draw('circle', { class: 'dot', cx: x(part[0][0]), cy: y(part[0][2]), r: 2.5 }));
  }
  return svg;
}

// parts splits where nothing was measured for a while: there is no line there.
function parts(points, gap) {
  const out = [];
  for (const p of points) {
    const part = out[out.length - 1];
    if (part && p[0] - part[part.length - 1][0] <= gap) part.push(p);
    else out.push([p]);
  }
  return out;
}

// Logs, where the server shows them.
async function loadLogs() {
  if ($('logs').hidden || !chosen) return;
  const service = chosen;
  try {
    const answer = await ask('/logs.json?service=' + encodeURIComponent(service));
    const lines = answer.ok ? await answer.json() : [await answer.text()];
    if (service !== chosen) return;
    const box = $('lines'), end = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
    const shown = lines.map(text).join('\n');
    if (box.textContent === shown) return;
    box.textContent = shown;
    if (end) box.scrollTop = box.scrollHeight;
  } catch { /* the connection says so */ }
}

// The last start.
async function loadStart() {
  let report;
  try {
    const answer = await ask('/start.json');
    if (!answer.ok) return;
    report = await answer.json();
  } catch { return; }
  const done = (report.operations || []).filter(o => o.began && o.ended).map(o => ({ ...o, from: Date.parse(o.began), to: Date.parse(o.ended) }));
  $('start').hidden = !done.length;
  if (!done.length) return;
  const begun = Math.min(...done.map(o => o.from)), seconds = Math.max((Math.max(...done.map(o => o.to)) - begun) / 1000, .1);
  const about = o => o.resource || o.container || o.service;
  const critical = (report.critical || []).map(l => l.service);
  set($('start-line'), day(begun) + ', ' + report.seconds.toFixed(1) + ' s' +
    (critical.length ? '; as long as it was because of ' + critical.join(', then ') : ''));
  const width = $('timeline').clientWidth || 300, row = 22, left = Math.min(180, width * .4), height = done.length * row + 26;
  const x = at => left + (width - left - 50) * ((at - begun) / 1000) / seconds;
  const svg = draw('svg', { viewBox: '0 0 ' + width + ' ' + height, height, role: 'img',
    'aria-label': 'Timeline of the last start: ' + done.length + ' operations in ' + report.seconds.toFixed(1) + ' s; the table below has its numbers' });
  const marks = steps(seconds).filter(v => v <= seconds);
  for (const v of marks) {
    svg.append(draw('line', { class: 'grid', x1: x(begun + v * 1000), x2: x(begun + v * 1000), y1: 0, y2: height - 20 }),
      draw('text', { x: x(begun + v * 1000), y: height - 5, 'text-anchor': 'middle' }, +v.toFixed(2) + ' s'));
  }
  const letters = Math.floor((left - 8) / 6.6);
  for (const [i, o] of done.entries()) {
    const name = o.kind + ' ' + about(o), y = i * row, admitted = o.admitted ? Date.parse(o.admitted) : o.from;
    svg.append(draw('text', { x: left - 8, y: y + 15, 'text-anchor': 'end' }, name.length > letters ? name.slice(0, letters - 1) + '\u2026' : name),
      draw('rect', { class: 'wait', x: x(o.from), y: y + 4, width: x(admitted) - x(o.from), height: row - 8 }),
      draw('rect', { class: o.failed ? 'bar failed' : 'bar', x: x(admitted), y: y + 4, width: Math.max(1.5, x(o.to) - x(admitted)), height: row - 8 }),
      draw('text', { x: x(o.to) + 4, y: y + 15 }, ((o.to - o.from) / 1000).toFixed(1) + ' s'));
  }
  $('timeline').replaceChildren(svg);
  fill($('operations'), done.map((o, i) => ({ key: String(i), cells: [o.kind, { text: about(o), class: 'text' },
    ((o.from - begun) / 1000).toFixed(2) + ' s', ((o.to - o.from) / 1000).toFixed(2) + ' s',
    o.admitted ? ((Date.parse(o.admitted) - o.from) / 1000).toFixed(2) + ' s' : '\u2013',
    { text: o.failed ? 'failed' : o.cause || '', class: o.failed ? 'text bad' : 'text' }] })));
}

// The disk.
function showDisk() {
  const disk = snapshot.disk || {};
  const kinds = [['images', 'Images'], ['containers', 'Containers'], ['volumes', 'Volumes'], ['build_cache', 'Build cache']];
  fill($('disk'), kinds.filter(([key]) => disk[key]).map(([key, name]) => ({ key, cells:
    [name, disk[key].total, disk[key].active, bytes(disk[key].size_bytes), bytes(disk[key].reclaimable_bytes)] })));
  const seconds = disk.at ? (Date.parse(snapshot.time) - Date.parse(disk.at)) / 1000 : 0;
  set($('free'), (disk.space ? bytes(disk.space.free_bytes) + ' of ' + bytes(disk.space.total_bytes) + ' free in ' + disk.data_root +
    ' (' + percent(100 * disk.space.free_bytes / disk.space.total_bytes) + ')' : '') +
    (seconds > 5 ? (disk.space ? '; what is stored is' : 'What is stored is') + ' as of ' + duration(seconds) + ' ago' : ''));
}

function show(next) {
  snapshot = next;
  set($('project'), next.project);
  document.title = text((next.findings?.length ? '(' + next.findings.length + ') ' : '') + next.project) + ' \u2013 compose-mage';
  showServices();
  showFindings();
  addPoints();
  showDisk();
  showAge();
}
function showAge() {
  if (snapshot) set($('age'), 'Seen at ' + clock(snapshot.time) + (lostAt ? ', ' + duration((Date.now() - Date.parse(snapshot.time)) / 1000) + ' ago' : ''));
}

function begin(found) {
  if (!found) {
    say('No token', false);
    $('ask').hidden = false;
    return;
  }
  if (token !== found) lastEvent = '';
  token = found;
  current?.abort();
  connect();
}
function fromAddress() {
  const found = takeToken(location.hash);
  if (location.hash.includes('token=')) history.replaceState(null, '', location.pathname);
  return found;
}

head($('services'), columns, sortBy);
head($('operations'), [{ name: 'Operation' }, { name: 'Of', text: true }, { name: 'Began after' }, { name: 'Took' }, { name: 'Of that, waited' }, { name: 'Why', text: true }]);
head($('disk'), [{ name: 'Kind' }, { name: 'Total' }, { name: 'Active' }, { name: 'Size' }, { name: 'Reclaimable' }]);
$('ask').onsubmit = event => {
  event.preventDefault();
  const found = takeToken($('token').value);
  $('token').value = '';
  if (found) begin(found);
  else say('That is no token: it has 64 digits', false);
};
$('service').onchange = () => { chosen = $('service').value; if (snapshot) addPoints(); loadHistory(); };
$('span').onchange = loadHistory;
new ResizeObserver(() => { if (snapshot) drawCharts(); }).observe($('figures'));
addEventListener('hashchange', () => { const found = fromAddress(); if (found) begin(found); });
setInterval(() => { showAge(); }, 1000);
setInterval(() => { if (!lostAt && snapshot) loadLogs(); }, 3000);
begin(fromAddress() || sessionStorage.getItem('token'));
