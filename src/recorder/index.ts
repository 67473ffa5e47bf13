// Keeps finished segments beyond what memory holds, so that viewers can go back (DVR): files below data_dir/dvr, written behind the
// media path's back. app.ts opens a rewind for each broadcast that asks for one and gives it to the shelf; the window calls it (`Past`
// of src/segments), and the origin reads through the window. Started once, and closed after the shelf. All files go with the process.
export { Recorder, type RecorderOptions } from './recorder.ts';
