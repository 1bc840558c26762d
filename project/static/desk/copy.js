"use strict";

// Copies what a button names, and says so. Without this file, one click selects the text for copying.
document.addEventListener("DOMContentLoaded", () => {
    const status = document.getElementById("copy-status");

    const select = (source) => {
        const range = document.createRange();
        range.selectNodeContents(source);
        const selection = window.getSelection();
        selection.removeAllRanges();
        selection.addRange(range);
    };

    const copy = async (source) => {
        try {
            await navigator.clipboard.writeText(source.textContent);
            return true;
        } catch {  // a page that is not served over TLS has no clipboard
            select(source);
            return document.execCommand("copy");
        }
    };

    for (const box of document.querySelectorAll("[data-copies]")) {
        box.hidden = false;
    }
    for (const button of document.querySelectorAll("[data-copy]")) {
        button.addEventListener("click", async () => {
            const done = await copy(document.getElementById(button.dataset.copy));
            status.textContent = done ? "Copied." : "It is selected: press Ctrl+C.";
        });
    }
});
