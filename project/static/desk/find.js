// Ctrl-K (or Command-K) leads to the box that finds everything, or to its page where the screen is too narrow for it.
// Without this file the box is a form like any other.
document.addEventListener("keydown", (event) => {
  if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey || event.key.toLowerCase() !== "k") return;
  const boxes = ["find-again", "desk-find-box"].map((id) => document.getElementById(id));
  const box = boxes.find((each) => each && each.offsetParent);
  const link = document.getElementById("desk-find-link");
  if (!box && !link) return;
  event.preventDefault();
  if (!box) return link.click();
  box.focus();
  box.select();
});
