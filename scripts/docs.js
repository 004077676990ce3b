// Writes docs/CONFIG.md from the declarations of the keys. Run by `npm run docs`, which builds first.
import { writeFileSync } from 'node:fs'
import { renderReference } from '../dist/gateway/index.js'

writeFileSync(new URL('../docs/CONFIG.md', import.meta.url), renderReference())
