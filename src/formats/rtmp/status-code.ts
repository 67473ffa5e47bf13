const STATUS_CODE = /^[A-Za-z]{1,24}(\.[A-Za-z]{1,24}){1,3}$/;

/** A server's code if it has the form of one (`NetStream.Publish.BadName`), else nothing: it is a stranger's text, which may repeat a key. */
export const statusCode = (code: string): string => (STATUS_CODE.test(code) ? code : '');
