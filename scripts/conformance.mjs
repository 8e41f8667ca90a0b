// Compares results of http-cache-tests with the list of explained deviations.
// Arguments: directory of the suite, results, deviations.
import fs from 'node:fs'
const [dir, results, deviations] = process.argv.slice(2)
const { default: suites } = await import(`${dir}/tests/index.mjs`)
const got = JSON.parse(fs.readFileSync(results))
const explained = new Map(fs.readFileSync(deviations, 'utf8').split('\n')
  .filter(line => line && !line.startsWith('#')).map(line => line.split(/\s+(.*)/)))
const count = {}
let bad = 0
for (const suite of suites) {
  if (suite.id === 'surrogate-control') continue
  for (const test of suite.tests) {
    const kind = test.kind || 'required'
    count[kind] ||= { passed: 0, all: 0 }
    count[kind].all++
    const passed = got[test.id] === true
    if (passed) count[kind].passed++
    if (kind === 'check') continue // how the cache behaves, neither right nor wrong
    if (passed === explained.has(test.id)) {
      bad++
      console.log(passed ? `passes, but is listed: ${test.id}` : `does not pass: ${test.id}: ${got[test.id]}`)
    }
    explained.delete(test.id)
  }
}
for (const id of explained.keys()) {
  bad++
  console.log(`no such test: ${id}`)
}
for (const [kind, n] of Object.entries(count)) console.log(`${kind}: ${n.passed} of ${n.all}`)
process.exit(bad ? 1 : 0)
