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
for (const place of timelines) {
  head($(place.table), [{ name: 'What' }, { name: 'Of', text: true }, { name: 'Began after' }, { name: 'Took' }, { name: 'Of that, waited' },
    { name: 'On the critical path' }, { name: 'Facts', text: true }]);
}
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
setInterval(() => { if (!lostAt && snapshot) loadTimelines(); }, 30000);
begin(fromAddress() || sessionStorage.getItem('token'));
