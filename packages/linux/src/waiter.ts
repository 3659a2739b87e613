/** Waits on an epoll set for a thread that must not stand still, and tells it what is ready: token and events in turn. */
export interface Waiter {
  /** Waits from here on, and keeps the process up. Calling it again changes nothing. */
  hold(): void;
  /** Keeps the process up no longer. */
  release(): void;
}
