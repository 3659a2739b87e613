// Numbers of the errors that a socket meets in its daily life; the same on every architecture.
export const EAGAIN = 11;
export const ENOMEM = 12;
export const ENFILE = 23;
export const EMFILE = 24;
export const EPIPE = 32;
export const ENOBUFS = 105;
export const EINPROGRESS = 115;
