import { CallList } from "./call-list.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "./constants.ts";

const RECV = 0;
const SEND = 1;
const SENDMSG = 2;
const EPOLL_WAIT = 3;

/**
 * What a data thread asks of the kernel for every chunk. Each answers as C does, -1 for an error; the caller has checked descriptor,
 * address and length.
 */
export class HotCalls {
  readonly #list = new CallList(["recv", "send", "sendmsg", "epoll_wait"]);

  constructor() {
    this.#list.set(RECV, 3, MSG_DONTWAIT);
    this.#list.set(SEND, 3, MSG_DONTWAIT | MSG_NOSIGNAL);
    this.#list.set(SENDMSG, 2, MSG_DONTWAIT | MSG_NOSIGNAL);
  }

  recv(fd: number, address: number, length: number): number {
    return this.#transfer(RECV, fd, address, length);
  }

  send(fd: number, address: number, length: number): number {
    return this.#transfer(SEND, fd, address, length);
  }

  #transfer(call: number, fd: number, address: number, length: number): number {
    const list = this.#list;
    list.set(call, 0, fd);
    list.set(call, 1, address);
    list.set(call, 2, length);
    return list.call(call);
  }

  sendmsg(fd: number, header: number): number {
    const list = this.#list;
    list.set(SENDMSG, 0, fd);
    list.set(SENDMSG, 1, header);
    return list.call(SENDMSG);
  }

  epollWait(epoll: number, events: number, max: number, timeoutMs: number): number {
    const list = this.#list;
    list.set(EPOLL_WAIT, 0, epoll);
    list.set(EPOLL_WAIT, 1, events);
    list.set(EPOLL_WAIT, 2, max);
    list.set(EPOLL_WAIT, 3, timeoutMs);
    return list.call(EPOLL_WAIT);
  }
}

let ofThread: HotCalls | null = null;

/** The thread's own, for its life. */
export function hotCalls(): HotCalls {
  return (ofThread ??= new HotCalls());
}
