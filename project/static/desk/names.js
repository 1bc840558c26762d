// Names what Django's widgets leave without a name, for those who hear the page instead of seeing it.
"use strict";
{
  const name = () => {
    for (const shown of document.querySelectorAll(".select2-selection")) {
      const select = shown.closest(".select2-container").previousElementSibling;
      const label = select && document.querySelector(`label[for="${select.id}"]`);
      if (!label) continue;
      label.id ||= `label-${select.id}`;
      for (const each of [shown, ...shown.querySelectorAll("[role=textbox]")]) each.setAttribute("aria-labelledby", label.id);
    }
    for (const hint of document.querySelectorAll("label .help-tooltip[aria-label]")) hint.setAttribute("role", "img");
  };
  window.addEventListener("load", () => setTimeout(name)); // after Django's own, which make these widgets then
}
