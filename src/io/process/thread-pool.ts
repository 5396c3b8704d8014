/**
 * Imported first, by each program: libuv makes its threads at their first use. A call that hangs, such as on a network disk
 * that is away, keeps its thread; with the four of the default, four such calls stop everything that reads a file.
 */
process.env['UV_THREADPOOL_SIZE'] ??= '64';
