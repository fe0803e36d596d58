"use strict";
// Drawing on canvas: one time axis for all plots, heat maps of delays, lines of losses.

const GUTTER = { left: 38, right: 44 }; // CSS pixels beside every plot, so that all line up

function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function decodeBase64(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** base64 of little-endian uint16 -> numbers in 0..1. */
function unpack(text) {
  const bytes = decodeBase64(text);
  const shares = new Float32Array(bytes.length / 2);
  for (let i = 0; i < shares.length; i++) shares[i] = (bytes[2 * i] + 256 * bytes[2 * i + 1]) / 65535;
  return shares;
}

/** "rrggbbrrggbb..." -> [[r, g, b], ...] */
function colourTable(hex) {
  return hex.match(/.{6}/g).map((c) => [0, 2, 4].map((i) => parseInt(c.slice(i, i + 2), 16)));
}

function clock(seconds, digits = 2) {
  if (seconds < 60) return seconds.toFixed(digits) + " s";
  const minutes = Math.floor(seconds / 60);
  return minutes + ":" + (seconds - 60 * minutes).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
}

/** A number with its sign, a true minus sign if negative. */
function signed(value) {
  return (value > 0 ? "+" : value < 0 ? "−" : "") + Math.abs(value);
}

function percent(share) {
  const value = 100 * share;
  return (value >= 9.95 ? value.toFixed(0) : value.toFixed(1)) + " %";
}

/** Seconds <-> CSS pixels; `start` and `end` are the stretch in view. */
class TimeAxis {
  constructor(start, end) {
    this.whole = [start, end];
    this.start = start;
    this.end = end;
    this.width = 1;
  }
  x(time) {
    return GUTTER.left + ((time - this.start) / (this.end - this.start)) * this.plotWidth;
  }
  time(x) {
    return this.start + ((x - GUTTER.left) / this.plotWidth) * (this.end - this.start);
  }
  get plotWidth() {
    return Math.max(1, this.width - GUTTER.left - GUTTER.right);
  }
  /** Show `length` seconds around `centre`, never past the ends. */
  show(centre, length) {
    const [first, last] = this.whole;
    length = Math.min(last - first, Math.max(0.4, length));
    this.start = Math.min(Math.max(first, centre - length / 2), last - length);
    this.end = this.start + length;
  }
}

/** Size a canvas to its box in device pixels; return a context in CSS pixels. */
function prepare(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const { clientWidth: width, clientHeight: height } = canvas;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "11.5px " + getComputedStyle(document.body).fontFamily;
  context.lineWidth = 1;
  return { context, width, height, ratio };
}

/** Round steps of 1, 2 or 5 times a power of ten that give about `count` ticks. */
function ticks(start, end, count) {
  const rough = (end - start) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const marks = [];
  for (let i = Math.ceil(start / step - 1e-9); i * step <= end + 1e-9; i++) marks.push(i * step);
  return { marks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
}

function label(context, text, x, y, align) {
  context.fillStyle = colour("--soft");
  context.textAlign = align;
  context.textBaseline = "middle";
  context.fillText(text, x, y);
}

/** Diagonal lines in the current clip. */
function hatch(context, left, top, width, height, stroke) {
  context.strokeStyle = stroke;
  context.lineWidth = 1;
  context.beginPath();
  for (let x = left - height; x < left + width; x += 6) {
    context.moveTo(x, top + height);
    context.lineTo(x + height, top);
  }
  context.stroke();
}

/**
 * Heat map of rows of probabilities.
 * `rowAt(window)` gives the row's index or -1; `values` holds rows of `delays` numbers.
 */
function drawDelays(canvas, axis, report, values, rowAt) {
  const { context, width, height, ratio } = prepare(canvas);
  const [count, half] = [report.delays, (report.delays - 1) / 2];
  const plot = axis.plotWidth;
  context.fillStyle = colour("--grid");
  context.fillRect(GUTTER.left, 0, plot, height);

  const columns = Math.max(1, Math.round(plot * ratio));
  const image = new ImageData(columns, count);
  const perColumn = (axis.end - axis.start) / columns;
  for (let c = 0; c < columns; c++) {
    const time = axis.start + c * perColumn;
    // A pixel shows the window in its middle, or the mean where it covers several.
    const crowded = perColumn * report.fps > report.stride;
    const first = report.columnAt(crowded ? time : time + perColumn / 2);
    const last = crowded ? report.columnAt(time + perColumn) : first;
    const rows = [];
    for (let k = first; k <= last; k++) if (rowAt(k) >= 0) rows.push(rowAt(k));
    if (!rows.length) continue;
    for (let d = 0; d < count; d++) {
      let sum = 0;
      for (const row of rows) sum += values[row * count + d];
      const level = Math.min(255, Math.round((sum / rows.length / report.top) * 255));
      image.data.set([...report.table[level], 255], 4 * ((count - 1 - d) * columns + c));
    }
  }
  const buffer = document.createElement("canvas");
  buffer.width = columns;
  buffer.height = count;
  buffer.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(buffer, GUTTER.left, 0, plot, height);

  const y = (delay) => ((half - delay + 0.5) / count) * height;
  drawSilence(context, axis, report, y, height);
  context.strokeStyle = "#ffffff66";
  context.beginPath();
  context.moveTo(GUTTER.left, y(0));
  context.lineTo(GUTTER.left + plot, y(0));
  context.stroke();
  const step = half >= 10 ? 5 : 2;
  for (let delay = -Math.floor(half / step) * step; delay <= half; delay += step) {
    if (Math.abs(delay) === half && height < 170) continue;
    const at = Math.min(height - 6, Math.max(6, y(delay)));
    label(context, signed(delay), GUTTER.left - 6, at, "right");
    const ms = delay ? signed(delay * (1000 / report.fps)) : "0 ms";
    if (delay % (2 * step) === 0) label(context, ms, width - GUTTER.right + 6, at, "left");
  }
}

/** Hatch the cells whose sound lies before the start or past the end: window + delay leaves the file. */
function drawSilence(context, axis, report, y, height) {
  const half = (report.delays - 1) / 2;
  const [begins, ends] = report.silence;
  const edge = (k) => axis.x((k + 2) / report.fps); // left edge of window k
  const path = new Path2D();
  for (let k = 0; k < half; k++) {
    const below = y(-k - 0.5);
    if (begins !== null) path.rect(edge(begins + k), below, edge(1) - edge(0), height - below);
    const last = ends - report.windowFrames - k;
    if (ends !== null) path.rect(edge(last), 0, edge(last + 1) - edge(last), y(k + 0.5));
  }
  const scored = new Path2D();
  const start = Math.max(GUTTER.left, axis.x(report.edgeOf(report.firstWindow)));
  const end = Math.min(GUTTER.left + axis.plotWidth, axis.x(report.edgeOf(report.firstWindow + report.windows)));
  scored.rect(start, 0, Math.max(0, end - start), height);
  context.save();
  context.clip(scored);
  context.clip(path);
  hatch(context, GUTTER.left, 0, axis.plotWidth, height, "#ffffff40");
  context.restore();
}

/** Lines over time: `lines` = [{values, stroke, dash, fill}], values one for each step or null. */
function drawLosses(canvas, axis, report, lines) {
  const { context, width, height } = prepare(canvas);
  const top = 6;
  const bottom = height - 5;
  let most = 0;
  for (const { values } of lines) for (const value of values) if (value > most) most = value;
  most = most || 1;
  const y = (value) => bottom - (value / (most * 1.04)) * (bottom - top);
  const { marks, digits } = ticks(0, most * 1.04, 3);
  for (const mark of marks) {
    context.strokeStyle = colour("--grid");
    context.beginPath();
    context.moveTo(GUTTER.left, y(mark));
    context.lineTo(width - GUTTER.right, y(mark));
    context.stroke();
    label(context, mark.toFixed(digits), GUTTER.left - 6, Math.max(7, y(mark)), "right");
  }
  context.save();
  context.beginPath();
  context.rect(GUTTER.left, 0, axis.plotWidth, height);
  context.clip();
  for (const line of lines) drawLine(context, axis, report, line, y);
  context.restore();
}

/** One line, broken where a window is missing between two steps. */
function drawLine(context, axis, report, { values, stroke, dash, fill }, y) {
  const path = new Path2D();
  const area = new Path2D();
  let previous = null;
  report.window.forEach((k, i) => {
    if (values[i] === null) return;
    const x = axis.x(report.edgeOf(k + 0.5));
    const joined = previous !== null && previous.k + 1 === k;
    if (joined) {
      path.lineTo(x, y(values[i]));
      area.lineTo(x, y(values[i]));
    } else {
      if (previous) area.lineTo(previous.x, y(0));
      path.moveTo(x, y(values[i]));
      area.moveTo(x, y(0));
      area.lineTo(x, y(values[i]));
    }
    previous = { k, x };
  });
  if (previous) area.lineTo(previous.x, y(0));
  if (fill) {
    context.globalAlpha = 0.13;
    context.fillStyle = stroke;
    context.fill(area);
    context.globalAlpha = 1;
  }
  context.strokeStyle = stroke;
  context.lineWidth = dash ? 1.3 : 1.8;
  context.lineJoin = "round";
  context.setLineDash(dash || []);
  context.stroke(path);
  context.setLineDash([]);
}

/** Ticks in seconds; a thick rule shows which part the player holds. */
function drawAxis(canvas, axis, clip) {
  const { context, height } = prepare(canvas);
  const { marks, digits } = ticks(axis.start, axis.end, axis.plotWidth / 90);
  context.strokeStyle = colour("--line");
  context.beginPath();
  context.moveTo(GUTTER.left, 4.5);
  context.lineTo(GUTTER.left + axis.plotWidth, 4.5);
  for (const mark of marks) {
    context.moveTo(axis.x(mark), 4.5);
    context.lineTo(axis.x(mark), 9.5);
    label(context, clock(mark, digits), axis.x(mark), height / 2 + 3, "center");
  }
  context.stroke();
  if (clip) {
    const from = Math.max(GUTTER.left, axis.x(clip.start));
    const until = Math.min(GUTTER.left + axis.plotWidth, axis.x(clip.end));
    context.fillStyle = colour("--soft");
    context.fillRect(from, 3, Math.max(0, until - from), 3);
  }
}

/** A bar for each face, in the speaker's colour where it speaks; the one shown has a frame. */
function drawSpeakers(canvas, axis, report) {
  const { context } = prepare(canvas);
  context.save();
  context.beginPath();
  context.rect(GUTTER.left, 0, axis.plotWidth, canvas.clientHeight);
  context.clip();
  report.bars.forEach(({ start, end, lane }, i) => {
    const y = 5 + 18 * lane;
    const bar = (from, until) => [axis.x(from), y, Math.max(1, axis.x(until) - axis.x(from)), 14];
    context.fillStyle = colour("--grid");
    context.fillRect(...bar(start, end));
    context.fillStyle = colour("--speaker");
    for (const [from, until] of report.boxes[i].spans) context.fillRect(...bar(from, until));
    context.strokeStyle = colour(i === report.shown ? "--observed" : "--line");
    context.lineWidth = i === report.shown ? 2 : 1;
    context.strokeRect(...bar(start, end));
    if (axis.x(end) - axis.x(start) > 14) {
      context.fillStyle = colour("--ink");
      context.textBaseline = "middle";
      context.fillText(report.boxes[i].label, Math.max(GUTTER.left, axis.x(start)) + 4, y + 7.5);
    }
  });
  context.restore();
}

/** Stretches of time as blocks. */
function drawSegments(canvas, axis, segments) {
  const { context, height } = prepare(canvas);
  context.fillStyle = colour("--grid");
  context.fillRect(GUTTER.left, 6, axis.plotWidth, height - 12);
  context.fillStyle = colour("--mark");
  for (const { start, end } of segments) {
    const from = Math.max(GUTTER.left, axis.x(start));
    const until = Math.min(GUTTER.left + axis.plotWidth, axis.x(end));
    if (until > from) context.fillRect(from, 6, Math.max(2, until - from), height - 12);
  }
}

/** One column of the heat maps as bars (observed) with a line (predicted). */
function drawMoment(canvas, report, observed, predicted) {
  const { context, width, height } = prepare(canvas);
  const half = (report.delays - 1) / 2;
  const [bottom, step] = [height - 30, width / report.delays];
  const y = (share) => bottom - (share / report.top) * (bottom - 6);
  context.fillStyle = colour("--grid");
  context.fillRect(0, bottom, width, 1);
  for (let delay = -half; delay <= half; delay++) {
    if (delay % 5 === 0) {
      const x = (delay + half + 0.5) * step;
      context.fillRect(x, bottom, 1, 5);
      const inside = Math.min(width - 12, Math.max(12, x));
      label(context, signed(delay), inside, bottom + 12, "center");
    }
  }
  label(context, "delay in frames; + = sound later", width / 2, height - 6, "center");
  if (observed) {
    context.fillStyle = colour("--observed");
    observed.forEach((share, d) => context.fillRect(d * step + 1, y(share), Math.max(1, step - 2), bottom - y(share)));
  }
  if (predicted) {
    context.strokeStyle = colour("--second");
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.beginPath();
    predicted.forEach((share, d) => context.lineTo((d + 0.5) * step, y(share)));
    context.stroke();
  }
}
