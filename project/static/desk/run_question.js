"use strict";

// Shows how many letters go with the groups that are ticked: those of which every trait is ticked.
const question = document.getElementById("run-question");
const going = document.getElementById("going");
const boxes = [...question.querySelectorAll("input[name=take]")];
const kinds = Object.entries(JSON.parse(question.dataset.kinds)).map(([bits, letters]) => [Number(bits), letters]);

function show() {
  const ticked = boxes.filter((box) => box.checked);
  const bits = ticked.reduce((sum, box) => sum | Number(box.dataset.bit), 0);
  const fresh = ticked.some((box) => box.value === "fresh");
  const goes = ([kind]) => (kind === 0 ? fresh : (kind & ~bits) === 0);
  const letters = kinds.filter(goes).reduce((sum, [, count]) => sum + count, 0);
  if (going) going.textContent = letters.toLocaleString("en");
  const expiry = question.querySelector(".desk-expiry");
  const expired = boxes.find((box) => box.value === "expired");
  if (expiry) expiry.hidden = !(expired && expired.checked);
}

// The reason is all that must be typed. The page stays where it is, for the groups above are to be read first.
question.querySelector("[name=reason]")?.focus({ preventScroll: true });
for (const box of boxes) box.addEventListener("change", show);
show();
