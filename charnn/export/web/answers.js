"use strict";

// The sections for models that answer a text: with its gaps filled, or with its translation.

/** Filling gaps. */
class Filling {
  constructor(filler) {
    this.filler = filler;
    this.runner = new TaskRunner($("fill-stop"));
    $("filling").hidden = false;
    $("filling-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.runner.run((signal) => this.fill(signal));
    });
  }

  async fill(signal) {
    const text = $("gapped").value;
    $("fills").replaceChildren();
    const { known, gaps } = blanksIn(text, 1);
    if (!gaps.length) {
      this.say("The text has no gap: write ___ or {} where something is missing.");
      return;
    }
    this.say("Looking…");
    const options = { longest: numberIn($("longest")), beam: numberIn($("thoroughness")) };
    const found = await inSlices(this.filler.filling(text, options), { signal });
    if (signal.reason === REPLACED) return;
    if (signal.aborted) {
      this.say("Stopped.");
      return;
    }
    const { unknown } = this.filler.vocabulary.read(known.join(""));
    this.say(`Found ${count(found.length, "way")}.${unknownNote(unknown, "left out")}`);
    $("fills").replaceChildren(...found.map(filledItem));
  }

  say(text) {
    $("filling-status").textContent = text;
  }
}

function filledItem({ known, fills, probability }) {
  const item = element("li");
  for (const [i, part] of known.entries()) {
    item.append(part);
    if (i < fills.length) item.append(element("mark", { text: fills[i] }));
  }
  item.append(" ", element("span", { className: "figure", text: `${(100 * probability).toFixed(1)} %` }));
  return item;
}

/** Translating. */
class Translating {
  constructor(translator) {
    this.translator = translator;
    this.runner = new TaskRunner($("translate-stop"));
    const { separators, features } = translator.pairs;
    $("translating").hidden = false;
    if (separators.source) $("source-note").textContent = `Symbols are separated by ${separatorName(separators.source)}.`;
    $("features-field").hidden = !features.length;
    $("features").required = features.length > 0;
    if (features.length) {
      const examples = features.slice(0, 3).map(symbolName).join(separators.features);
      $("features-note").textContent = `As in the training: ${examples}, …`;
    }
    $("translating-form").addEventListener("submit", (event) => {
      event.preventDefault();
      this.runner.run((signal) => this.translate(signal));
    });
  }

  async translate(signal) {
    const [source, features] = [$("source").value, $("features").value];
    const options = { features, beam: numberIn($("beam")), count: numberIn($("targets")) };
    const status = $("translating-status");
    status.textContent = "Translating…";
    $("translations").replaceChildren();
    const found = await inSlices(this.translator.translating(source, options), { signal });
    if (signal.reason === REPLACED) return;
    if (signal.aborted) {
      status.textContent = "Stopped.";
      return;
    }
    const { unknown } = this.translator.read(source, features);
    status.textContent = `Found ${count(found.length, "translation")}.${unknownNote(unknown, "read as an unknown symbol")}`;
    $("translations").replaceChildren(...found.map(translationItem));
  }
}

function separatorName(separator) {
  return separator === " " ? "spaces" : `“${Array.from(separator).map(symbolName).join(" ")}”`;
}

function translationItem({ target, logProb, ended }) {
  const percent = 100 * Math.exp(logProb);
  const share = `${percent < 0.01 ? "under 0.01" : percent.toPrecision(3)} %${ended ? "" : ", cut off"}`;
  return element("li", {}, element("span", { text: target }), " ", element("span", { className: "figure", text: share }));
}
