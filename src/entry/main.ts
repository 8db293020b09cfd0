#!/usr/bin/env node
/**
 * The first file that runs, whatever Node runs it; `src/main.ts` is a link to it.
 *
 * A Node without type stripping refuses a `.ts` file of an ES module package before any line of it
 * runs (ERR_UNKNOWN_FILE_EXTENSION), but takes one of a CommonJS package for plain JavaScript. So
 * this file alone is CommonJS (`package.json` beside it), and holds nothing that Node 20 cannot
 * parse: no types, no `import` statement.
 */
{
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  // Type stripping is stable, and quiet, from 24.12 on.
  if (major > 24 || (major === 24 && minor >= 12)) {
    // Compiled code is kept for the next start (in the folder for temporary files), which takes
    // almost half of the time off it; `ordinal local` starts five processes at once.
    process.getBuiltinModule('node:module').enableCompileCache()
    import('../commands/main.ts').then((commands) => commands.main(process.argv))
  } else {
    process.stderr.write(
      `ordinal: needs Node 24.12 or newer, this is ${process.version} ` +
        '(after "npm ci", "npm start" and "npx ordinal" use the right one)\n',
    )
    process.exitCode = 1
  }
}
