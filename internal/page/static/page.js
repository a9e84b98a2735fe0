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
