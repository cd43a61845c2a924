// Parses an AsyncAPI document, prints the diagnostics, and exits 1 if one of them is an error.
const { Parser } = require('@asyncapi/parser');
const { readFileSync } = require('node:fs');

const error = 0; // the severity

new Parser().parse(readFileSync(process.argv[2], 'utf8')).then(({ diagnostics }) => {
  for (const d of diagnostics) console.log(`${d.severity === error ? 'error' : 'note'}: ${d.path.join('.')}: ${d.message}`);
  process.exit(diagnostics.some((d) => d.severity === error) ? 1 : 0);
});
