export function Logo() {
  return (
    <svg className="logo" viewBox="0 0 32 32" aria-hidden="true">
      <rect x="3" y="11" width="5" height="18" rx="1.2" className="post" />
      <g className="boom">
        <path d="M8 12.5 30 4v5.4L8 17.9z" className="bar" />
        <path d="m13 10.57 4.6-1.78v5.4L13 15.97zM22 7.09l4.6-1.78v5.4L22 12.49z" className="stripe" />
      </g>
    </svg>
  );
}
