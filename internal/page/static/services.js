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

