(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const data = JSON.parse(byId("data").textContent);
  const START = { turn: 0.5, lift: 0.21, zoom: 1 };
  const MARGIN = 22;  // pixels inside a panel
  const view = { ...START };
  const image = byId("image"), pose = byId("pose"), time = byId("time"), play = byId("play");

  function numbers(text, Kind) {
    const raw = Uint8Array.from(atob(text), (one) => one.charCodeAt(0));
    return new Kind(raw.buffer);
  }

  const joints = data.sides.length;
  const poses = numbers(data.pose, Int16Array);
  const views = data.views.map((one) => ({ ...one, points: numbers(one.points, Int16Array) }));
  const mesh = data.mesh && {
    size: data.mesh.size,
    points: numbers(data.mesh.points, Int16Array),
    faces: data.mesh.faces.map((one) => numbers(one, Uint16Array)),
    kinds: data.mesh.kinds,
  };
  const photos = data.photos.map((source) => {
    const photo = new Image();
    photo.onload = request;
    photo.src = source;
    return photo;
  });

  // --- what fits: one scale for all frames and all angles, so that nothing jumps

  const solid = mesh ? mesh.points : poses;
  let reach = 1, high = 1;
  for (let at = 0; at < solid.length; at += 3) reach = Math.max(reach, Math.hypot(solid[at], solid[at + 2]));
  const size = mesh ? mesh.size : joints;
  const lowest = new Float64Array(data.count);
  for (let frame = 0; frame < data.count; frame += 1) {
    let top = Infinity, bottom = -Infinity;
    for (let at = frame * size; at < (frame + 1) * size; at += 1) {
      top = Math.min(top, solid[3 * at + 1]);
      bottom = Math.max(bottom, solid[3 * at + 1]);
    }
    lowest[frame] = bottom;
    high = Math.max(high, bottom - top);
  }
  const unit = mesh ? data.mesh.tenths : 1;  // of lengths, in a millimetre
  const isSmall = reach < 250 * unit && high < 500 * unit;  // a hand
  const tile = (isSmall ? 50 : 500) * unit;
  const ground = tile * Math.ceil(reach / tile + 0.5);

  let colours = {};
  function look() {
    const style = getComputedStyle(document.documentElement);
    for (const name of ["ink", "soft", "card", "frame", "ground", "left", "right", "middle", "skin"]) {
      colours[name] = style.getPropertyValue(`--${name}`).trim();
    }
  }

  function sized(canvas) {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.round(canvas.clientWidth * ratio), height = Math.round(canvas.clientHeight * ratio);
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, canvas.clientWidth, canvas.clientHeight);
    pen.lineCap = pen.lineJoin = "round";
    return pen;
  }

  // --- skeleton: `place` gives x, y and depth of a joint

  function drawBones(pen, place, width) {
    const order = data.bones.map(([parent, child]) => {
      const ends = [place(parent), place(child)];
      return { ends, side: data.sides[child], depth: ends[0][2] + ends[1][2] };
    });
    order.sort((one, other) => other.depth - one.depth);
    for (const { ends, side } of order) {
      const line = (colour, wide) => {
        pen.strokeStyle = colour;
        pen.lineWidth = wide;
        pen.beginPath();
        pen.moveTo(ends[0][0], ends[0][1]);
        pen.lineTo(ends[1][0], ends[1][1]);
        pen.stroke();
      };
      line(colours.card, width + 2.5);
      line(colours[side], width);
      pen.fillStyle = colours[side];
      for (const [x, y] of ends) {
        pen.beginPath();
        pen.arc(x, y, width * 0.72, 0, 2 * Math.PI);
        pen.fill();
      }
    }
  }

  // --- 2D

  function drawImage(frame) {
    const pen = sized(image), wide = image.clientWidth, tall = image.clientHeight;
    const rows = Math.min(views.length, 2), columns = Math.ceil(views.length / 2);
    const cell = [wide / columns, tall / rows];
    views.forEach((one, number) => {
      const [width, height] = one.sizes[one.sizes.length > 1 ? frame : 0];
      const margin = MARGIN * (rows > 1 ? 0.5 : 1);
      const scale = Math.min((cell[0] - 2 * margin) / width, (cell[1] - 2 * margin) / height);
      const x0 = (number % columns) * cell[0] + (cell[0] - width * scale) / 2;
      const y0 = Math.floor(number / columns) * cell[1] + (cell[1] - height * scale) / 2;
      pen.save();
      pen.beginPath();
      pen.rect((number % columns) * cell[0], Math.floor(number / columns) * cell[1], cell[0], cell[1]);
      pen.clip();
      pen.fillStyle = colours.frame;
      pen.fillRect(x0, y0, width * scale, height * scale);
      const photo = photos[frame];
      if (photo && photo.complete && photo.naturalWidth) pen.drawImage(photo, x0, y0, width * scale, height * scale);
      if (views.length > 1) {
        pen.fillStyle = colours.soft;
        pen.font = "13px system-ui, sans-serif";
        pen.fillText(String(number + 1), x0 + 6, y0 + 16);
      }
      const step = (Math.max(width, height) * scale) / data.share, points = one.points;
      const place = (joint) => {
        const at = 2 * (frame * joints + joint);
        return [x0 + points[at] * step, y0 + points[at + 1] * step, 0];
      };
      let low = Infinity, top = -Infinity;
      for (let joint = 0; joint < joints; joint += 1) {
        const y = place(joint)[1];
        low = Math.min(low, y);
        top = Math.max(top, y);
      }
      // A small person gets thin limbs: at full width they would be a blot.
      drawBones(pen, place, Math.min(5, Math.max(1.8, (top - low) / 55)));
      pen.restore();
    });
    const blind = views.flatMap((one, number) => (one.filled.some(([first, last]) => first <= frame && frame <= last) ? [number + 1] : []));
    const where = views.length > 1 && blind.length ? ` in ${blind.join(", ")}` : "";
    const said = blind.length ? `no detection${where}, filled in` : "";
    if (byId("blind").textContent !== said) byId("blind").textContent = said;
  }

  // --- 3D: parallel projection, x right, y down, z away from the viewer

  function project() {
    const wide = pose.clientWidth, tall = pose.clientHeight;
    const sinTurn = Math.sin(view.turn), cosTurn = Math.cos(view.turn), sinLift = Math.sin(view.lift), cosLift = Math.cos(view.lift);
    const deep = ground * Math.abs(Math.sin(START.lift));
    const fit = Math.min((wide - 2 * MARGIN) / (2 * ground), (tall - 2 * MARGIN) / (high * Math.cos(START.lift) + 2 * deep));
    const scale = fit * view.zoom;
    const place = (x, y, z) => {
      const across = cosTurn * x + sinTurn * z, depth = cosTurn * z - sinTurn * x;
      // Heights count from the middle of the person, about which the view turns.
      const up = y + high / 2;
      return [wide / 2 + across * scale, tall / 2 + (up * cosLift - depth * sinLift) * scale, depth * cosLift + up * sinLift];
    };
    return { place, scale };
  }

  function drawGround(pen, place) {
    pen.strokeStyle = colours.ground;
    pen.lineWidth = 1;
    const line = (points) => {
      pen.beginPath();
      points.forEach(([x, z], at) => pen[at ? "lineTo" : "moveTo"](...place(x, 0, z).slice(0, 2)));
      pen.stroke();
    };
    for (let step = -ground; step <= ground; step += tile) {
      const half = Math.sqrt(Math.max(0, ground ** 2 - step ** 2));
      line([[step, -half], [step, half]]);
      line([[-half, step], [half, step]]);
    }
    line(Array.from({ length: 73 }, (_, at) => [ground * Math.cos((at * Math.PI) / 36), ground * Math.sin((at * Math.PI) / 36)]));
  }

  function drawMesh(pen, { place, scale }, frame) {
    const faces = mesh.faces[mesh.kinds[frame]], first = frame * mesh.size;
    const spots = new Float64Array(3 * mesh.size);
    for (let at = 0; at < mesh.size; at += 1) {
      const from = 3 * (first + at);
      spots.set(place(mesh.points[from], mesh.points[from + 1] - lowest[frame], mesh.points[from + 2]), 3 * at);
    }
    const shown = [];
    for (let at = 0; at < faces.length; at += 3) {
      const [a, b, c] = [3 * faces[at], 3 * faces[at + 1], 3 * faces[at + 2]];
      const turn = (spots[b] - spots[a]) * (spots[c + 1] - spots[a + 1]) - (spots[b + 1] - spots[a + 1]) * (spots[c] - spots[a]);
      // Counterclockwise from outside, and y goes down here.
      if (turn < 0) shown.push([spots[a + 2] + spots[b + 2] + spots[c + 2], a, b, c]);
    }
    shown.sort((one, other) => other[0] - one[0]);
    for (const [, a, b, c] of shown) {
      const ux = spots[b] - spots[a], uy = spots[b + 1] - spots[a + 1], uz = (spots[b + 2] - spots[a + 2]) * scale;
      const vx = spots[c] - spots[a], vy = spots[c + 1] - spots[a + 1], vz = (spots[c + 2] - spots[a + 2]) * scale;
      const nx = uy * vz - uz * vy, ny = uz * vx - ux * vz, nz = ux * vy - uy * vx;
      const light = 0.35 + 0.65 * Math.abs((-0.3 * nx - 0.45 * ny - 0.84 * nz) / (Math.hypot(nx, ny, nz) || 1));
      const shade = `rgb(${colours.skin.split(",").map((one) => Math.round(Number(one) * light)).join(",")})`;
      pen.fillStyle = pen.strokeStyle = shade;
      pen.lineWidth = 0.7;  // closes the seams between faces
      pen.beginPath();
      pen.moveTo(spots[a], spots[a + 1]);
      pen.lineTo(spots[b], spots[b + 1]);
      pen.lineTo(spots[c], spots[c + 1]);
      pen.closePath();
      pen.fill();
      pen.stroke();
    }
  }

  function drawPose(frame) {
    const pen = sized(pose), seen = project(), { place } = seen;
    if (view.lift >= 0) drawGround(pen, place);
    if (mesh) drawMesh(pen, seen, frame);
    else {
      drawBones(pen, (joint) => {
        const at = 3 * (frame * joints + joint);
        return place(poses[at], poses[at + 1] - lowest[frame], poses[at + 2]);
      }, Math.max(4, Math.min(pose.clientWidth, pose.clientHeight) / 75));
    }
    if (view.lift < 0) drawGround(pen, place);
  }

  // --- time

  let at = 0, isPlaying = false, before = 0, asked = 0;
  const last = data.count - 1;

  function told(frame) {
    const number = frame * data.every;
    const name = data.names.length ? data.names[frame] : `${(number / data.fps).toFixed(2)} s`;
    return `${data.names.length ? "image" : "frame"} ${number} of ${data.total}, ${name}`;
  }

  function draw(now) {
    asked = 0;
    if (isPlaying) {
      // A frame may have begun before the button was pressed.
      const passed = Math.max(0, Math.min(now - before, 500));
      before = now;
      at += (passed / 1000) * (data.fps / data.every) * Number(byId("speed").value);
      if (at >= data.count) at %= data.count;
    }
    const frame = Math.min(last, Math.floor(at));
    time.value = String(frame);
    byId("told").textContent = told(frame);
    drawImage(frame);
    drawPose(frame);
    if (isPlaying) request();
  }

  function request() {
    if (!asked) asked = requestAnimationFrame(draw);
  }

  function setPlaying(on) {
    isPlaying = on && data.count > 1;
    before = performance.now();
    play.textContent = isPlaying ? "Pause" : "Play";
    request();
  }

  function show(frame) {
    setPlaying(false);
    at = Math.max(0, Math.min(last, frame));
    request();
  }

  play.addEventListener("click", () => setPlaying(!isPlaying));
  time.addEventListener("input", () => show(Number(time.value)));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.tagName === "SELECT") return;
    if (event.key === " " && event.target !== play) setPlaying(!isPlaying);
    else if (event.key === ".") show(Math.floor(at) + 1);
    else if (event.key === ",") show(Math.floor(at) - 1);
    else return;
    event.preventDefault();
  });

  // --- turning

  const LOWEST = -0.4, HIGHEST = Math.PI / 2;
  function turn(across, down) {
    view.turn += across;
    view.lift = Math.max(LOWEST, Math.min(HIGHEST, view.lift + down));
    request();
  }
  let held = null;
  pose.addEventListener("pointerdown", (event) => {
    held = [event.clientX, event.clientY];
    pose.setPointerCapture(event.pointerId);
    pose.classList.add("held");
  });
  pose.addEventListener("pointermove", (event) => {
    if (!held) return;
    turn((held[0] - event.clientX) * 0.01, (event.clientY - held[1]) * 0.01);
    held = [event.clientX, event.clientY];
  });
  for (const end of ["pointerup", "pointercancel"]) {
    pose.addEventListener(end, () => {
      held = null;
      pose.classList.remove("held");
    });
  }
  pose.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom = Math.max(0.4, Math.min(8, view.zoom * Math.exp(-event.deltaY * 0.0012)));
    request();
  }, { passive: false });
  pose.addEventListener("dblclick", () => {
    Object.assign(view, START);
    request();
  });
  pose.addEventListener("keydown", (event) => {
    const steps = { ArrowLeft: [0.1, 0], ArrowRight: [-0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
    if (!(event.key in steps)) return;
    event.preventDefault();
    turn(...steps[event.key]);
  });

  // --- start

  byId("scale").textContent = isSmall ? "3D, squares of 5 cm" : "3D, half-metre squares";
  const shownSizes = [...new Set(views.flatMap((one) => one.sizes.map(([width, height]) => `${width} x ${height}`)))];
  byId("views").textContent = `2D${views.length > 1 ? ` of ${views.length} views` : ""}, ${shownSizes.slice(0, 3).join(", ")}${shownSizes.length > 3 ? ", ..." : ""}`;
  for (const one of document.querySelectorAll(".left, .right")) one.hidden = Boolean(mesh) || !data.sides.includes("left");
  time.max = String(last);
  if (data.count === 1) for (const one of [play, time, byId("speed")]) one.disabled = true;
  look();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    look();
    request();
  });
  new ResizeObserver(request).observe(document.querySelector("main"));
  setPlaying(!matchMedia("(prefers-reduced-motion: reduce)").matches);
})();
