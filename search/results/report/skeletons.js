(() => {
  "use strict";
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  // The ends of lines, flat x, y, z in millimetres, as the view shows them from an angle.
  function place(lines, points, angle, lift) {
    const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
    const put = (line, end, [x, y, z]) => {
      line.setAttribute(`x${end}`, Math.round(cos * x + sin * z));
      line.setAttribute(`y${end}`, Math.round(Math.cos(lift) * y - Math.sin(lift) * (cos * z - sin * x)));
    };
    lines.forEach((line, index) => {
      put(line, 1, points[index][0]);
      put(line, 2, points[index][1]);
    });
  }

  function begin(box) {
    const clip = JSON.parse(document.getElementById(box.dataset.clip).textContent);
    const views = [...box.querySelectorAll("figure")].map((figure, index) => {
      const lines = [...figure.querySelectorAll("line")];
      const [floor, bones] = [clip.floor.length, clip.bones.length];
      return {
        svg: figure.querySelector("svg"), told: figure.querySelector("b"),
        floor: lines.slice(0, floor), truth: lines.slice(floor, floor + bones), pose: lines.slice(floor + bones),
        rows: clip.poses[index], errors: clip.errors[index],
      };
    });
    let { at, angle } = clip;
    let [isPlaying, isSeen, last, request] = [!still.matches, false, 0, 0];

    const button = document.createElement("button");
    const slider = document.createElement("input");
    const told = document.createElement("span");
    const controls = document.createElement("div");
    controls.className = "controls";
    button.type = "button";
    Object.assign(slider, { type: "range", min: 0, max: clip.frames.length - 1, step: 1 });
    slider.setAttribute("aria-label", "frame");
    controls.append(button, slider, told);
    box.append(controls);

    const ends = (row) => clip.bones.map((bone) => bone.map((joint) => row.slice(3 * joint, 3 * joint + 3)));

    function draw() {
      for (const view of views) {
        place(view.floor, clip.floor, angle, clip.lift);
        place(view.truth, ends(clip.truth[at]), angle, clip.lift);
        place(view.pose, ends(view.rows[at]), angle, clip.lift);
        const error = view.errors[at];
        view.told.textContent = error === null ? "not scored" : `${error.toFixed(1)} mm`;
      }
      slider.value = at;
      told.textContent = `frame ${clip.frames[at]}`;
      box.dataset.at = at;
    }

    function step(now) {
      request = 0;
      if (!isPlaying || !isSeen) return;
      const count = Math.floor(((now - last) * clip.fps) / 1000);
      if (count > 0) {
        // After a pause of the browser it goes on where it was.
        last = count > clip.frames.length ? now : last + (count * 1000) / clip.fps;
        at = (at + count) % clip.frames.length;
        draw();
      }
      request = requestAnimationFrame(step);
    }

    function turn(isOn) {
      isPlaying = isOn;
      button.textContent = isOn ? "Pause" : "Play";
      go();
    }

    function go() {
      if (!isPlaying || !isSeen || request) return;
      last = performance.now();
      request = requestAnimationFrame(step);
    }

    button.addEventListener("click", () => turn(!isPlaying));
    slider.addEventListener("input", () => {
      turn(false);
      at = Number(slider.value);
      draw();
    });
    still.addEventListener("change", () => turn(!still.matches));
    for (const { svg } of views) {
      let from = 0;
      svg.addEventListener("pointerdown", (event) => {
        svg.setPointerCapture(event.pointerId);
        from = event.clientX;
      });
      svg.addEventListener("pointermove", (event) => {
        if (!svg.hasPointerCapture(event.pointerId)) return;
        angle -= (event.clientX - from) / 120;
        from = event.clientX;
        draw();
      });
      svg.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: 1, ArrowRight: -1 }[event.key];
        if (!way) return;
        event.preventDefault();
        angle += way / 12;
        draw();
      });
    }
    new IntersectionObserver(([entry]) => {
      isSeen = entry.isIntersecting;
      go();
    }).observe(box);
    turn(isPlaying);
    draw();
  }

  // What a clip holds is read when it comes near the screen.
  const near = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      begin(target);
    }
  }, { rootMargin: "200px" });
  document.querySelectorAll(".clip").forEach((box) => near.observe(box));
})();
