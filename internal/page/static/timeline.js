// The last start and the last build, each as a drawing and as a table.
const timelines = [
  { what: 'start', section: 'start', line: 'start-line', figure: 'timeline', table: 'operations', rows: 'operations' },
  { what: 'build', section: 'build', line: 'build-line', figure: 'build-timeline', table: 'steps', rows: 'steps' },
];
const mostRows = 100; // of a drawing

async function loadTimelines() {
  for (const place of timelines) {
    try {
      const answer = await ask('/timeline.json?of=' + place.what), body = answer.ok ? await answer.text() : '';
      if (!body || body === place.shown) continue;
      place.shown = body;
      showTimeline(place, JSON.parse(body));
    } catch { /* the connection says so */ }
  }
}

// rowsOf gives a timeline's spans, lane by lane, each with the spans that are parts of it.
function rowsOf(spans) {
  const all = (spans || []).map(s => ({ ...s, from: Date.parse(s.began), to: Date.parse(s.ended), parts: [] }));
  const lanes = new Map();
  for (const s of all.filter(s => !s.within && s.kind !== 'critical')) {
    const lane = s.lane || '';
    if (!lanes.has(lane)) lanes.set(lane, []);
    lanes.get(lane).push(s);
  }
  for (const part of all.filter(s => s.within)) {
    const outer = (lanes.get(part.lane || '') || []).findLast(s => s.kind !== 'image' && (s.track || '') === (part.track || '') && s.from <= part.from && part.to <= s.to);
    if (outer) outer.parts.push(part);
  }
  return [...lanes.values()].flatMap(lane => lane.sort((a, b) => a.from - b.from || b.to - a.to));
}

function showTimeline(place, timeline) {
  const rows = rowsOf(timeline.spans);
  $(place.section).hidden = !rows.length;
  if (!rows.length) return;
  const begun = Date.parse(timeline.began), took = (Date.parse(timeline.ended) - begun) / 1000;
  const seconds = ms => (ms / 1000).toFixed(2) + ' s', words = took.toFixed(1) + ' s';
  set($(place.line), day(begun) + ', ' + words + (timeline.failed ? ', failed' : '') + (timeline.critical ? '; critical path: ' + timeline.critical : ''));
  const least = rows.map(r => r.to - r.from).sort((a, b) => b - a)[mostRows - 1] ?? -1;
  const drawn = rows.filter(r => r.to - r.from >= least).slice(0, mostRows);
  const about = 'Timeline of the last ' + place.what + ': ' + rows.length + ' ' + place.rows + ' in ' + words + '; the table below has its numbers';
  $(place.figure).replaceChildren(...(drawn.length < rows.length ? [make('figcaption', {}, 'The ' + drawn.length + ' longest of ' + rows.length)] : []),
    drawTimeline(drawn, begun, Math.max(took, .1), about, $(place.figure).clientWidth || 300));
  fill($(place.table), rows.map((r, i) => ({ key: String(i), cells: [r.name, { text: r.lane || '', class: 'text' },
    seconds(r.from - begun), seconds(r.to - r.from), seconds(sum(r.parts.filter(p => p.kind === 'queue'))), r.critical ? 'yes' : '\u2013',
    { text: [...(r.failed ? ['failed'] : []), ...(r.facts || []).map(f => f.name + ': ' + f.value)].join('; '), class: r.failed ? 'text bad' : 'text' }] })));
}
const sum = spans => spans.reduce((ms, s) => ms + s.to - s.from, 0);

function drawTimeline(rows, begun, seconds, about, width) {
  const row = 22, left = Math.min(220, width * .4), height = rows.length * row + 26, letters = Math.floor((left - 8) / 6.6);
  const x = at => left + (width - left - 50) * Math.min(Math.max((at - begun) / 1000 / seconds, 0), 1);
  const svg = draw('svg', { viewBox: '0 0 ' + width + ' ' + height, height, role: 'img', 'aria-label': about });
  const bar = (s, y, name) => draw('rect', { class: name, x: x(s.from), y, width: Math.max(1.5, x(s.to) - x(s.from)), height: row - 8 });
  for (const v of steps(seconds).filter(v => v <= seconds)) {
    svg.append(draw('line', { class: 'grid', x1: x(begun + v * 1000), x2: x(begun + v * 1000), y1: 0, y2: height - 20 }),
      draw('text', { x: x(begun + v * 1000), y: height - 5, 'text-anchor': 'middle' }, +v.toFixed(2) + ' s'));
  }
  for (const [i, r] of rows.entries()) {
    const name = text((r.lane && r.lane !== r.name ? r.lane + ' ' : '') + r.name), y = i * row;
    const kind = r.kind === 'waiting' || r.kind === 'image' ? 'wait' : 'bar';
    svg.append(draw('text', { x: left - 8, y: y + 15, 'text-anchor': 'end' }, name.length > letters ? name.slice(0, letters - 1) + '\u2026' : name),
      bar(r, y + 4, kind + (r.failed ? ' failed' : '') + (r.critical ? ' critical' : '')),
      ...r.parts.map(p => p.kind === 'queue' ? bar(p, y + 4, 'wait') : draw('line', { class: 'part', x1: x(p.from), x2: x(p.from), y1: y + 4, y2: y + row - 4 })),
      draw('text', { x: x(r.to) + 4, y: y + 15 }, ((r.to - r.from) / 1000).toFixed(1) + ' s' + (r.critical ? ' \u25cf' : '')));
  }
  return svg;
}

