/**
 * How replicas say that all data is lost, and how that is read again: the doctor shows what
 * happened and what to do apart. docs/operations.md ("All volumes lost") has the same steps.
 */

const LOST = 'ALL DATA IS LOST: '
const REMEDY = 'Bring the claims back, '

/** What each of the empty replicas says of a cluster that the marker remembers. */
export function dataLost({ marker, clusterId }: { marker: string; clusterId: string }): string {
  const patch = `--type=json -p '[{"op":"remove","path":"/data"}]'`
  return (
    `${LOST}the marker ${marker} says that cluster ${clusterId} was formed here, ` +
    'and all replicas are empty. No empty cluster is formed under its name. ' +
    `${REMEDY}or, to give up the data and start afresh: kubectl patch configmap ${marker} ${patch}`
  )
}

/** What was said, in two; undefined: it says something else. */
export function readDataLost(said: string): { what: string; remedy: string } | undefined {
  const at = said.indexOf(REMEDY)
  if (!said.startsWith(LOST) || at < 0) return undefined
  return { what: said.slice(0, at).trimEnd(), remedy: said.slice(at) }
}
