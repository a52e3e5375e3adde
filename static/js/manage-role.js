/** A page that offers what one role may do, while its reader gets another. */

/**
 * @param {object} options
 * @param {string} options.zone
 * @param {number} options.role with which the page was made
 * @param {HTMLElement} options.notice shown where the page cannot be made anew without losing what was typed
 * @param {() => boolean} options.isTouched whether something was typed
 * @returns {(role: number) => void} to be called with the role that the server knows of
 */
export function followRole({ zone, role: made, notice, isTouched }) {
  // Where the page and its socket come from different addresses they may never agree: that is asked about once.
  const asked = `manage-role:${zone}`;
  return (role) => {
    if (role === made) {
      sessionStorage.removeItem(asked);
      notice.hidden = true;
    } else if (isTouched()) notice.hidden = false;
    else if (sessionStorage.getItem(asked) !== String(role)) {
      sessionStorage.setItem(asked, role);
      location.reload();
    }
  };
}
