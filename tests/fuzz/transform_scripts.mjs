// Reads [[kind, code], …] from its input and writes the transformed code, or null where
// the tool does not take it. Run in a folder with esbuild, terser and Babel.
import { createRequire } from 'node:module';
import { readFileSync } from 'node:fs';

const require = createRequire(`${process.cwd()}/`);
const esbuild = require('esbuild');
const terser = require('terser');
const babel = require('@babel/core');

const tools = {
  terser: async (code) => (await terser.minify(code, { toplevel: false, mangle: { toplevel: false } })).code,
  esbuild: async (code) => (await esbuild.transform(code, { minify: true, target: 'es2017', format: undefined })).code,
  // What ES5 lacks is a polyfill's business; async functions need one.
  babel: async (code) => babel.transformSync(code, {
    presets: [[require.resolve('@babel/preset-env'), { targets: 'ie 11', modules: false, exclude: ['transform-regenerator', 'transform-async-to-generator'] }]],
    sourceType: 'script', configFile: false, babelrc: false,
  }).code,
};
const jobs = JSON.parse(readFileSync(0, 'utf-8'));
const done = [];
for (const [kind, code] of jobs) {
  try {
    done.push(await tools[kind](code));
  } catch {
    done.push(null);
  }
}
process.stdout.write(JSON.stringify(done));
