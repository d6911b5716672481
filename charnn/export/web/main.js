"use strict";

// Unpack the model, and show what it can do. `charnn` is there for whoever opens the console.

const KINDS = {
  language_model({ config, opening }, tensors, arena, vocabulary) {
    const model = new LanguageModel(new Network(config, tensors, arena), vocabulary, opening);
    new Writing(model);
    new Scoring(model);
    return {
      model,
      sample: (beginning = "", { length = 500, temperature = 1, random } = {}) => {
        const state = finished(model.begun(vocabulary.read(beginning).ids));
        const tokens = collected(model.writing(state, { length, temperature, random }));
        return vocabulary.decoded(tokens.map(({ id }) => id).filter((id) => id !== vocabulary.endId));
      },
      logProbs: (text) => collected(model.scoring(text)).map(({ logProb }) => logProb),
      next: (text) => Array.from(model.logProbs(finished(model.begun(vocabulary.read(text).ids)))),
    };
  },

  bidirectional({ config }, tensors, arena, vocabulary) {
    const [forward, backward] = ["forward_network.", "backward_network."].map((prefix) => {
      const own = Object.entries(tensors).filter(([name]) => name.startsWith(prefix));
      return new Network(config, Object.fromEntries(own.map(([name, of]) => [name.slice(prefix.length), of])), arena);
    });
    const filler = new Filler(forward, backward, vocabulary);
    new Filling(filler);
    return { filler, fill: (text, options) => finished(filler.filling(text, options)) };
  },

  encoder_decoder({ config, pairs }, tensors, arena, vocabulary) {
    const translator = new Translator(new Transducer(config, tensors, arena, pairs.copies), vocabulary, pairs);
    new Translating(translator);
    return { translator, translate: (source, options) => finished(translator.translating(source, options)) };
  },
};

function start() {
  const data = unpacked($("model").textContent);
  $("model").remove();
  const { description } = data;
  const tensors = Object.create(null);
  for (const [name, entry] of Object.entries(description.tensors)) tensors[name] = new PackedMatrix(entry, data);
  const [place, length] = description.kernel;
  const kernel = data.bytes.subarray(data.begin + place, data.begin + place + length);
  const dense = Object.entries(tensors).filter(([name]) => !/(embedding|ngrams)\.weight$/.test(name));
  const arena = Arena.of(dense.map(([, matrix]) => matrix), kernel);
  document.title = `${description.name} – charnn`;
  $("name").textContent = description.name;
  $("about").textContent = description.about;
  showLegends();
  submitFromKeyboard();
  const vocabulary = new Vocabulary(description.vocabulary);
  globalThis.charnn = KINDS[description.config.kind](description, tensors, arena, vocabulary);
  $("loading").hidden = true;
}

try {
  start();
} catch (error) {
  $("loading").textContent = `The model can't run in this browser: ${error.message}`;
  throw error;
}
