"use strict";

// Fetches the part of a page that changes every few seconds. Once its state is another one, the page is loaded anew,
// for its buttons follow the state.
const EVERY = 2000; // milliseconds

for (const part of document.querySelectorAll("[data-refresh]")) {
  const again = async () => {
    if (!document.hidden) {
      try {
        const answer = await fetch(part.dataset.refresh);
        if (answer.redirected || answer.status === 403) return location.reload();
        if (answer.ok) {
          const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
          if (fresh.dataset.state !== part.firstElementChild.dataset.state) return location.reload();
          part.replaceChildren(fresh);
        }
      } catch {
        // The server is away for a moment: the next look may find it.
      }
    }
    setTimeout(again, EVERY);
  };
  setTimeout(again, EVERY);
}
