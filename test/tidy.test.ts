/**
 * The house rules that no linter knows (CONTRIBUTING.md, "Rooms" and "Style"). Each rule is a
 * function from a tree of files to what is wrong in it, and is shown to fail on a tree made wrong.
 */

import t from 'tap'
import { rules } from './tidy/rules.ts'
import { readTree, roots } from './tidy/tree.ts'
import { WRONG } from './tidy/wrong-trees.ts'

const tree = readTree()

t.test('the tree was found', async (t) => {
  t.ok(tree.has('src/entry/main.ts') && tree.has('test/tidy.test.ts'))
  t.ok(roots(tree).length > 2)
})

for (const [name, rule] of Object.entries(rules)) {
  t.test(name, async (t) => {
    const [wrong, found] = WRONG[name] ?? [{}, 'no tree that breaks it']
    t.equal(rule(new Map(Object.entries(wrong))).join('\n'), found, 'the rule can fail')
    t.equal(rule(tree).join('\n'), '', 'the project holds it')
  })
}
