// Calls methods of the npm client `saucelabs` one after another, and prints what each answered (files by their SHA-256).
// Arguments: the client's folder, its options, and the calls as [[method, argument, …], …], both as JSON.
const [folder, options, calls] = process.argv.slice(2)
const { createHash } = require('crypto')
const SauceLabs = require(folder).default

const shown = (answer) =>
  Buffer.isBuffer(answer) ? createHash('sha256').update(answer).digest('hex') : answer

const main = async () => {
  const client = new SauceLabs(JSON.parse(options))
  const answers = []
  for (const [method, ...given] of JSON.parse(calls)) {
    try {
      answers.push(shown(await client[method](...given)) ?? null)
    } catch (error) {
      answers.push({ threw: error.message })
    }
  }
  console.log(JSON.stringify(answers))
}
main()
