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

