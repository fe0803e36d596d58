// The page of one video: keeps player, playhead, plots and read-out on one clock.

const report = JSON.parse(document.getElementById("report").textContent);
report.table = colourTable(report.colours);
report.observed = unpack(report.observed);
report.predicted = unpack(report.predicted);
// A window is drawn over its middle frame: window k from (k + 2) / fps to (k + 3) / fps. In pages
// of long videos a column stands for `stride` windows: column b for b * stride and those after it.
report.columnAt = (time) => Math.floor((Math.floor(time * report.fps + 1e-6) - 2) / report.stride);
report.edgeOf = (column) => (column * report.stride + 2) / report.fps;

const find = (name) => document.getElementById(name);
let stepOf = new Map(report.window.map((k, i) => [k, i]));
const observedRow = (k) => (k >= report.firstWindow && k < report.firstWindow + report.windows ? k - report.firstWindow : -1);
const predictedRow = (k) => stepOf.get(k) ?? -1;
const rowOf = (values, row) => (row < 0 ? null : Array.from(values.subarray(row * report.delays, (row + 1) * report.delays)));

const video = find("video");
const plots = find("plots");
const axis = new TimeAxis(...report.view);
let clip = report.clip;
let now = report.edgeOf(report.firstWindow); // seconds on the video's clock
let hovered = null; // {time, delay} under the pointer

function drawPlots() {
  axis.width = plots.clientWidth;
  if (find("speakers")) drawSpeakers(find("speakers"), axis, report);
  if (find("segments")) drawSegments(find("segments"), axis, report.segments);
  drawDelays(find("observed"), axis, report, report.observed, observedRow);
  drawDelays(find("predicted"), axis, report, report.predicted, predictedRow);
  const blue = colour("--observed");
  drawLosses(find("steps"), axis, report, [
    { values: report.activation, stroke: colour("--second"), dash: [4, 3] },
    { values: report.loss, stroke: blue, fill: true },
  ]);
  drawLosses(find("off-delay"), axis, report, [{ values: report.offDelay, stroke: blue, fill: true }]);
  drawLosses(find("cumulative"), axis, report, [{ values: report.cumulative, stroke: blue, fill: true }]);
  drawAxis(find("axis"), axis, clip);
  find("scale").style.background =
    "linear-gradient(90deg," + [0, 64, 128, 191, 255].map((i) => `rgb(${report.table[i]})`).join(",") + ")";
  showTime();
}

function place(mark, time) {
  mark.hidden = time === null || time < axis.start - 1e-6 || time > axis.end + 1e-6;
  if (!mark.hidden) mark.style.transform = `translateX(${axis.x(time).toFixed(2)}px)`;
}

/** Move playhead, read-out, bars and boxes to the present moment (or the one pointed at). */
function showTime() {
  place(find("playhead"), now);
  place(find("hover"), hovered && hovered.time);
  plots.setAttribute("aria-valuenow", now.toFixed(2));
  plots.setAttribute("aria-valuetext", clock(now));
  const k = report.columnAt(hovered ? hovered.time : now);
  const observed = rowOf(report.observed, observedRow(k));
  const predicted = rowOf(report.predicted, predictedRow(k));
  drawMoment(find("moment"), report, observed, predicted);
  writeReadout(k, observed, predicted);
  drawBoxes();
  if (video && clip) find("clock").textContent = `${clock(now).replace(/ s$/, "")} / ${clock(report.duration)}`;
}

const delayText = (delay) => `${signed(delay)} frames (${signed((delay * 1000) / report.fps)} ms)`;

const short = (value) => value.toLocaleString("en", { minimumSignificantDigits: 3, maximumSignificantDigits: 3 });

function writeReadout(k, observed, predicted) {
  const half = (report.delays - 1) / 2;
  const best = (row) => row.indexOf(Math.max(...row));
  const lines = [[["b", clock(hovered ? hovered.time : now)], ["span", hovered ? " · under the pointer" : ""]]];
  if (!observed) {
    lines.push([["span", "not scored here"]]);
  } else {
    const top = best(observed);
    const first = k * report.stride;
    lines[0].push(["span", report.stride > 1 ? ` · windows ${first}–${first + report.stride - 1}` : ` · window ${k}`]);
    lines.push([["span", "most likely "], ["b", delayText(top - half)], ["span", " " + percent(observed[top])]]);
    if (hovered && hovered.delay !== null) {
      const d = hovered.delay + half;
      const expected = predicted ? `, predicted ${percent(predicted[d])}` : "";
      lines[1] = [["span", "at "], ["b", delayText(hovered.delay)], ["span", ` ${percent(observed[d])}${expected}`]];
    }
    const step = predictedRow(k);
    const loss = step < 0 ? null : report.loss[step];
    lines.push(
      loss === null
        ? [["span", "no prediction for this window"]]
        : [["span", "step loss "], ["b", short(loss)], ["span", `, sum so far ${short(report.cumulative[step])}`]],
    );
  }
  find("readout").replaceChildren(
    ...lines.map((parts) => {
      const line = document.createElement("div");
      for (const [tag, content] of parts) line.appendChild(document.createElement(tag)).textContent = content;
      return line;
    }),
  );
}

/**
 * Where a face is at a moment; null where it is not. Boxes are of the middle of their frame: a face
 * is there from half a frame before its first box until half a frame after its last, between shots
 * not a frame longer.
 */
function boxAt({ time, box }, moment) {
  let [low, high] = [0, time.length - 1];
  while (low < high) { // the first box at or after the moment
    const middle = (low + high) >> 1;
    if (time[middle] < moment) low = middle + 1;
    else high = middle;
  }
  if (!time.length) return null;
  const [before, gap] = [Math.max(0, low - 1), time[low] - time[Math.max(0, low - 1)]];
  if (gap > 0 && gap <= 0.25 && moment >= time[before] && moment <= time[low]) {
    const share = (moment - time[before]) / gap;
    return box[before].map((value, i) => value + share * (box[low][i] - value));
  }
  const half = 0.5 / report.fps;
  const within = (i) => moment >= time[i] - half - 1e-6 && moment < time[i] + half - 1e-6;
  return within(before) ? box[before] : within(low) ? box[low] : null;
}

/** Faces over the picture; the one who speaks in its own colour. */
function drawBoxes() {
  const canvas = find("boxes");
  if (!canvas) return;
  const { context, width, height } = prepare(canvas);
  // The picture is fitted into the element; find where it lies.
  const scale = Math.min(width / video.videoWidth || 0, height / video.videoHeight || 0);
  const [w, h] = [video.videoWidth * scale, video.videoHeight * scale];
  for (const face of report.boxes) {
    const found = boxAt(face, now);
    if (!found) continue;
    const [l, t, r, b] = found;
    const [x, y] = [(width - w) / 2 + l * w, (height - h) / 2 + t * h];
    const speaks = face.spans.some(([start, end]) => now >= start && now < end);
    context.strokeStyle = context.fillStyle = speaks ? colour("--speaker") : "#ffffff";
    context.lineWidth = 2;
    context.strokeRect(x, y, (r - l) * w, (b - t) * h);
    context.fillText(face.label, x + 2, Math.max(10, y - 5));
  }
}

/** Show the curves of another face. */
function showFace(index) {
  const view = report.views?.[index];
  if (index === report.shown || !view) return;
  report.views[report.shown] = Object.fromEntries(Object.keys(view).map((name) => [name, report[name]]));
  Object.assign(report, view, { shown: index });
  for (const name of ["observed", "predicted"]) if (typeof report[name] === "string") report[name] = unpack(report[name]);
  stepOf = new Map(report.window.map((k, i) => [k, i]));
  document.querySelectorAll("[data-face]").forEach((button) => {
    button.setAttribute("aria-pressed", Number(button.dataset.face) === index);
  });
  drawPlots();
}

/** Go to a moment; the player follows where it holds that moment. */
function seek(time) {
  now = Math.min(Math.max(time, axis.whole[0]), axis.whole[1]);
  if (now < axis.start || now > axis.end) {
    axis.show(now, axis.end - axis.start);
    drawPlots();
  }
  if (video && clip) {
    const inside = now >= clip.start && now <= clip.end;
    if (inside) video.currentTime = now - clip.start + 1e-3; // past the frame's edge, not before it
    else video.pause();
    find("outside").hidden = inside;
  }
  showTime();
}

function follow() {
  now = clip.start + video.currentTime;
  find("outside").hidden = true;
  if (now > axis.end && now <= axis.whole[1]) {
    axis.show(now + (axis.end - axis.start) / 2, axis.end - axis.start);
    drawPlots();
  }
  showTime();
}

function playOrPause() {
  if (!video) return;
  if (video.paused) video.play().catch(() => {}); // refused or interrupted: the button says so
  else video.pause();
}

function showControls() {
  find("play").textContent = video.paused ? "▶" : "❚❚";
  find("play").setAttribute("aria-label", video.paused ? "Play" : "Pause");
  find("mute").textContent = video.muted ? "unmute" : "mute";
}

function startPlayer() {
  if (!video) return;
  const file = new Blob([decodeBase64(find("clip").textContent)], { type: "video/mp4" });
  const excerpt = { url: URL.createObjectURL(file), range: clip };
  const load = (url, range) => {
    clip = range;
    video.src = url;
    video.addEventListener("loadedmetadata", () => seek(now), { once: true });
    drawPlots();
  };
  const animate = () => {
    if (video.paused || video.ended) return;
    follow();
    requestAnimationFrame(animate);
  };
  video.addEventListener("play", animate);
  video.addEventListener("click", playOrPause);
  find("play").addEventListener("click", playOrPause);
  find("mute").addEventListener("click", () => (video.muted = !video.muted));
  find("speed").addEventListener("change", (event) => (video.playbackRate = Number(event.target.value)));
  for (const event of ["play", "pause", "ended", "volumechange"]) video.addEventListener(event, showControls);
  for (const event of ["timeupdate", "seeked", "pause"]) {
    // A seek outside the excerpt moves the playhead alone; the player's rest must not undo that.
    video.addEventListener(event, () => find("outside").hidden && follow());
  }
  find("whole-file")?.addEventListener("change", (event) => {
    const file = event.target.files[0];
    if (!file) return;
    load(URL.createObjectURL(file), { start: 0, end: report.duration });
    video.addEventListener("error", () => {
      find("unplayable").hidden = false;
      load(excerpt.url, excerpt.range);
    }, { once: true });
  });
  load(excerpt.url, excerpt.range);
}

function delayAt(event) {
  const canvas = event.target.closest?.("canvas.delays");
  if (!canvas) return null;
  const box = canvas.getBoundingClientRect();
  const half = (report.delays - 1) / 2;
  return Math.max(-half, Math.min(half, half - Math.floor(((event.clientY - box.top) / box.height) * report.delays)));
}

const timeAt = (event) => axis.time(event.clientX - plots.getBoundingClientRect().left);
const inPlot = (time) => time >= axis.start && time <= axis.end;

let dragging = false;
plots.addEventListener("pointerdown", (event) => {
  if (event.button || !inPlot(timeAt(event))) return;
  dragging = event.pointerType === "mouse";
  seek(timeAt(event));
});
plots.addEventListener("pointermove", (event) => {
  if (dragging) seek(timeAt(event));
  if (event.pointerType !== "mouse") return; // a finger seeks, it cannot hover
  const time = timeAt(event);
  hovered = inPlot(time) ? { time, delay: delayAt(event) } : null;
  showTime();
});
plots.addEventListener("pointerleave", () => {
  hovered = null;
  showTime();
});
window.addEventListener("pointerup", () => (dragging = false));
plots.addEventListener("keydown", (event) => {
  const frames = { ArrowLeft: -1, ArrowRight: 1, PageDown: -25, PageUp: 25 }[event.key];
  if (frames) seek(now + frames / report.fps);
  else if (event.key === "Home") seek(axis.whole[0]);
  else if (event.key === "End") seek(axis.whole[1]);
  else if (event.key === " ") playOrPause();
  else return;
  event.preventDefault();
});

for (const [name, factor] of [["narrower", 0.5], ["wider", 2], ["whole", Infinity]]) {
  find(name).addEventListener("click", () => {
    axis.show(now, (axis.end - axis.start) * factor);
    drawPlots();
  });
}
document.querySelectorAll("[data-jump]").forEach((button) => {
  button.addEventListener("click", () => {
    if (button.dataset.show) showFace(Number(button.dataset.show));
    seek(Number(button.dataset.jump));
    if (video && find("outside").hidden && video.paused) playOrPause();
  });
});

document.querySelectorAll("[data-face]").forEach((button) => {
  button.addEventListener("click", () => showFace(Number(button.dataset.face)));
});

new ResizeObserver(drawPlots).observe(plots);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPlots);
// On paper everything is unfolded, and the plots have the colours of paper.
matchMedia("print").addEventListener("change", drawPlots);
const folded = document.querySelectorAll("details");
addEventListener("beforeprint", () => folded.forEach((part) => {
  part.dataset.open = part.open;
  part.open = true;
}));
addEventListener("afterprint", () => folded.forEach((part) => {
  part.open = part.dataset.open === "true";
}));
plots.setAttribute("aria-valuemax", axis.whole[1].toFixed(2));
startPlayer();
drawPlots();
