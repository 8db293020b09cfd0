/**
 * Pipelined requests of one connection in the order they were sent (RFC 9112 §9.3.2: in parallel
 * only if all of them are safe). Node puts the *answers* in order, but emits every request of a
 * packet at once: a GET behind a PUT would not see it, and two PUTs of one key could change places.
 *
 *   nobody under way ──► runs
 *   only GETs under way, and this is one ──► runs beside them
 *   else ──► waits until all before it are answered: Node gives its response the socket then
 *
 * Once one waits, all behind it do, and the socket is not read: what waits is bounded by what one
 * read brought (64 KiB). A request that comes alone, as nearly all do, costs a look and a flag.
 */

import type { RequestListener } from 'node:http'
import type { Socket } from 'node:net'

const LINE = Symbol('requests of this connection')

/** The requests under way on one connection. */
type Line = {
  /** One of them may change something, so that whoever comes now has to wait. */
  unsafe: boolean
  waiting: number
  /** Keeps the socket paused while somebody waits; Node resumes it for its own reasons. */
  readonly hold: () => void
}

type LinedSocket = Socket & { [LINE]?: Line }

/** The same listener, called for a pipelined request when it is its turn. */
export function inTurn(listener: RequestListener): RequestListener {
  return (request, response) => {
    const line = lineOf(request.socket)
    const safe = request.method === 'GET' || request.method === 'HEAD'
    // The socket belongs to one response at a time: to this one, if nobody is before it.
    if (response.socket !== null) {
      line.unsafe = !safe
      listener(request, response)
    } else if (safe && !line.unsafe) {
      listener(request, response)
    } else {
      line.unsafe = true
      wait(request.socket, line)
      response.once('socket', (socket: Socket) => {
        // Not within Node's own hand-over: an answer given at once would end the response twice.
        process.nextTick(() => {
          leave(socket, line)
          if (!socket.destroyed) listener(request, response)
        })
      })
    }
  }
}

function lineOf(socket: LinedSocket): Line {
  const known = socket[LINE]
  if (known !== undefined) return known
  const line: Line = { unsafe: false, waiting: 0, hold: () => void socket.pause() }
  socket[LINE] = line
  return line
}

function wait(socket: Socket, line: Line): void {
  line.waiting++
  if (line.waiting > 1) return
  socket.on('resume', line.hold)
  socket.pause()
}

function leave(socket: Socket, line: Line): void {
  line.waiting--
  if (line.waiting > 0) return
  socket.off('resume', line.hold)
  socket.resume()
}
