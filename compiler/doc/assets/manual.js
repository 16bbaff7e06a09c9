"use strict";

// The theme is set before anything is drawn.
const theme = {
    read() {
        try { return localStorage.getItem("theme"); } catch { return null; }
    },
    write(value) {
        try { localStorage.setItem("theme", value); } catch { /* Nothing is kept then. */ }
    },
    current() {
        return document.documentElement.dataset.theme
            || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
    },
};
const kept = theme.read();
if (kept === "light" || kept === "dark") document.documentElement.dataset.theme = kept;

// Lower is better; null is no match.
function rank(entry, words) {
    const name = entry[0].toLowerCase();
    const last = name.slice(name.lastIndexOf(".") + 1);
    let sum = 0;
    for (const word of words) {
        if (name === word || last === word) sum += 0;
        else if (last.startsWith(word)) sum += 1;
        else if (name.startsWith(word)) sum += 2;
        else if (name.includes(word)) sum += 3;
        else if (entry[3].toLowerCase().includes(word)) sum += 6;
        else return null;
    }
    return sum + name.length / 1000;
}

function search(text) {
    const words = text.toLowerCase().split(/\s+/).filter(word => word !== "");
    if (words.length === 0) return [];
    const found = [];
    for (const entry of INDEX) {
        const value = rank(entry, words);
        if (value !== null) found.push([value, entry]);
    }
    found.sort((a, b) => a[0] - b[0]);
    return found.slice(0, 30).map(pair => pair[1]);
}

function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    made.textContent = text;
    return made;
}

document.addEventListener("DOMContentLoaded", () => {
    const input = document.getElementById("search");
    const results = document.getElementById("results");
    let chosen = 0;

    function choose(index) {
        const all = [...results.querySelectorAll("a")];
        if (all.length === 0) return;
        chosen = (index + all.length) % all.length;
        all.forEach((link, at) => link.classList.toggle("chosen", at === chosen));
        all[chosen].scrollIntoView({ block: "nearest" });
    }

    function show() {
        const found = search(input.value);
        results.replaceChildren(...found.map(([name, kind, address, summary]) => {
            const link = document.createElement("a");
            link.href = address;
            link.append(element("b", "", name), " ", element("span", "badge", kind), " ", element("span", "summary", summary));
            const item = document.createElement("li");
            item.append(link);
            return item;
        }));
        if (found.length === 0 && input.value.trim() !== "") results.append(element("li", "none", "Nothing is called so."));
        results.hidden = input.value.trim() === "";
        choose(0);
    }

    input.addEventListener("input", show);
    input.addEventListener("focus", show);
    input.addEventListener("keydown", event => {
        if (event.key === "ArrowDown") choose(chosen + 1);
        else if (event.key === "ArrowUp") choose(chosen - 1);
        else if (event.key === "Enter") results.querySelector("a.chosen")?.click();
        else if (event.key === "Escape") { input.value = ""; show(); input.blur(); }
        else return;
        event.preventDefault();
    });
    document.addEventListener("click", event => {
        if (!event.target.closest(".search") || event.target.closest("#results a")) results.hidden = true;
    });
    document.addEventListener("keydown", event => {
        const typing = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
        if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
            event.preventDefault();
            input.focus();
            input.select();
        }
    });
    document.getElementById("theme").addEventListener("click", () => {
        const next = theme.current() === "dark" ? "light" : "dark";
        document.documentElement.dataset.theme = next;
        theme.write(next);
    });
    document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest" });
});
