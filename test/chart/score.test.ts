/**
 * kube-score's advice on every rendering. What is not followed is listed here with the reason; an
 * entry that no finding meets any more fails too.
 */

import { spawnSync } from 'node:child_process'
import t from 'tap'
import { render, valueFiles } from './render.ts'
import { needs } from './tools.ts'

/**
 * What is found, as `[LEVEL] object: text`, why it stays, and in which value files alone; without
 * such a list: in all of them.
 */
const EXPLAINED: readonly (readonly [RegExp, string, (readonly string[])?])[] = [
  [/CPU limit is not set$/, 'a throttled leader misses heartbeats and loses its lead'],
  [
    /Ephemeral Storage (limit|request) is not set$/,
    'data is on claims; logs are rotated by the kubelet, and an eviction would cost a replica',
  ],
  [
    /ImagePullPolicy is not set to Always$/,
    'no image is published: it is loaded into the nodes, and Always would never find it',
  ],
  [
    /db-leader v1\/Service: The services selector does not match any pods$/,
    'the role label is put on by the replica that leads, not by a template',
  ],
  [
    /The pod does not have a matching NetworkPolicy$/,
    'networkPolicy.enabled is a choice',
    ['default', 'single', 'gitops', 'teaching'],
  ],
  [/The service is of type NodePort$/, 'one of what there is', ['everything-on']],
  [/Deployment few replicas$/, 'one of each', ['single']],
]

/** Levels that ask for something. */
const FINDING = /^\[(CRITICAL|WARNING)\] /

/** An entry of the table, met in this value file or in any. */
function meeting({ source }: RegExp, name: string | undefined): string {
  return name === undefined ? source : `${source} in ${name}`
}

function findings(text: string): string[] {
  const { stdout, stderr, error } = spawnSync('kube-score', ['score', '-', '-o', 'ci'], {
    input: text,
    encoding: 'utf8',
  })
  if (error !== undefined) throw error
  if (!stdout.includes('[OK]')) throw new Error(`kube-score said: ${stdout}${stderr}`)
  return stdout.split('\n').filter((line) => FINDING.test(line))
}

t.test('kube-score finds nothing unexplained', { skip: needs('helm', 'kube-score') }, async (t) => {
  const met = new Set<string>()
  for (const [name, file] of valueFiles()) {
    const unexplained = findings(await render({ files: [file] })).filter((finding) => {
      const entry = EXPLAINED.find(
        ([pattern, , names]) => pattern.test(finding) && (names?.includes(name) ?? true),
      )
      if (entry !== undefined) met.add(meeting(entry[0], entry[2] && name))
      return entry === undefined
    })
    t.strictSame(unexplained, [], name)
  }
  const rotten = EXPLAINED.flatMap(([pattern, , names]) =>
    (names ?? [undefined]).map((name) => meeting(pattern, name)),
  ).filter((one) => !met.has(one))
  t.strictSame(rotten, [], 'each explanation explains something, wherever it is given')
})
