// Package desk renders the web page of pdeflow: the templates, the stylesheets and the script are embedded.
//
//  1. The package renders and decides nothing. The handlers are in package api, like the JSON routes whose functions
//     they call, and pass views to [Desk.Render]. A view has rows of the database and statuses of jobs as they are.
//
//  2. A page is complete without the script: links and forms. The script (static/desk.js) follows the same links and
//     posts the same forms without leaving the page. It changes only the elements that differ, so that focus, scroll
//     position and unsaved texts stay. It does the same when an event arrives. So there is one way to render anything.
//
//  3. Each page works under a Content-Security-Policy of default-src 'self': no inline style or script, and no request
//     to another host. Widths of bars are attributes of SVG elements.
//
//  4. static/desk.css has the look of all pages, and static/page.css what single pages add. There is one template for
//     each page, and templates/marks.html has what several pages share.
package desk
